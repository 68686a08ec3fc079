"""A proposal in hardware words: the sections that a reviewer reads, in the order in which they matter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from reconciler.attest.explain import place_of
from reconciler.cli.proposal import Proposal
from reconciler.cli.remembered import as_seen, warning_of
from reconciler.cli.report import Report, Section, quoted
from reconciler.cli.words import describe
from reconciler.evidence.rejudge import Fate
from reconciler.plan.actions import Action
from reconciler.plan.estimate import estimate
from reconciler.plan.graph import to_mermaid
from reconciler.plan.measurements import ImageChange, image_changes, policy_changes
from reconciler.plan.turns import KeyTurn, NodeTurn, Turn, Turns

_SHORT = 12
_VALUE = 16
_MANY_NAMES = 6
_DIAGRAM_STEPS = 80


def report_of(proposal: Proposal) -> Report:
    """Return what there is to say about ``proposal``."""
    p = proposal
    sections = (
        Section(title="Attention", lines=tuple(_warnings(p))),
        Section(title="Nodes", columns=_NODE_COLUMNS, rows=_node_rows(p.change.new)),
        Section(title="Keys", columns=_KEY_COLUMNS, rows=_key_rows(p.change.new)),
        *_measurement_sections(p),
        Section(title="Running nodes, judged again by this change", columns=_FATE_COLUMNS, rows=_fate_rows(p)),
        Section(title="No longer done, if this is merged", columns=_NODE_COLUMNS, rows=_node_rows(p.change.dropped)),
        Section(title="Problems", lines=_problems(p)),
        _time_section(p),
        Section(title="Steps", columns=("step", "hardware"), rows=_step_rows(p), is_aside=True),
        _graph_section(p),
        Section(
            title=f"Pending on {p.base.name} already",
            columns=_NODE_COLUMNS,
            rows=_node_rows(p.change.pending),
            lines=tuple(_key_lines(p.change.pending)),
            is_aside=True,
        ),
        Section(title="Drift, due to nobody's change", lines=_drift(p), is_aside=True),
        Section(title="What this was made from", lines=tuple(_origin(p)), is_aside=True),
    )
    return Report(title=f"Plan: {p.head.name} into {p.base.name}", summary=_summary(p), sections=sections)


def headline(proposal: Proposal) -> str:
    """Return the change in one sentence."""
    change = proposal.change
    counts = {turn: sum(found.turn is turn for found in change.new.nodes.values()) for turn in Turn}
    parts = [f"{_nodes(n)} {_verb(turn, n)}" for turn, n in counts.items() if n]
    parts += [
        f"key {key.key} is rotated, because {key.aged or _who_knew(key)}"
        for key in change.new.keys.values()
        if key.past is not None
    ]
    moved = _vlan_changes(change.new)
    parts += [f"{moved} {'port changes' if moved == 1 else 'ports change'} VLAN"] if moved else []
    lost = sum(outlook.fate is Fate.REJECTED for outlook in proposal.outlooks)
    parts += [f"{_nodes(lost)} would be REJECTED"] if lost else []
    if not parts:
        return "Nothing changes on the hardware." if change.is_empty() else "Less is done than is due now."
    return "; ".join(parts)[0].upper() + "; ".join(parts)[1:] + "."


def _vlan_changes(turns: Turns) -> int:
    return sum(found.vlan_before != str(found.vlan_after) for found in turns.nodes.values())


def _nodes(number: int) -> str:
    return "1 node" if number == 1 else f"{number} nodes"


def _verb(turn: Turn, number: int) -> str:
    if number == 1:
        return turn.value
    return turn.value.replace("is ", "are ") if turn.value.startswith("is ") else turn.value.removesuffix("s")


def _summary(p: Proposal) -> tuple[str, ...]:
    seen = "as seen just now" if p.is_live else as_seen(p.observed_at, now=p.now)
    when = "Nothing was ever seen of this site." if p.is_blind else f"Planned for the site {seen}."
    pending = len(p.change.pending.nodes)
    also = f" {_nodes(pending)} more {'has' if pending == 1 else 'have'} steps pending already." if pending else ""
    return (f"**{headline(p)}**{also}", when)


def _warnings(p: Proposal) -> Iterable[str]:
    for refusal in p.refusals:
        hint = f" ({refusal.hint})" if refusal.hint else ""
        yield f"Would not be followed as it stands: {refusal.reason}: {quoted(str(refusal))}{hint}"
    for error in p.base_refusals:
        yield f"Not in force on {p.base.name}: {error.reason}: {quoted(str(error))}"
    if p.is_blind:
        yield "There is no recorded observation in this clone: is the evidence branch fetched?"
    elif not p.is_live and (warning := warning_of(p.observed_at, now=p.now)):
        yield warning[0].upper() + warning[1:]
    if p.moved:
        yield f"Brought somewhere else since the site was last seen, so this may be out of date: {_names(p.moved)}"
    if p.unseen and not p.is_blind:
        yield f"Not seen yet, so nothing is planned for {'it' if len(p.unseen) == 1 else 'them'}: {_names(p.unseen)}"


_NODE_COLUMNS = ("node", "what", "from", "to", "VLAN", "reboots", "note")


def _node_rows(turns: Turns) -> tuple[tuple[str, ...], ...]:
    order = list(Turn)
    found = sorted(turns.nodes.values(), key=lambda turn: (order.index(turn.turn), turn.node))
    return tuple(_node_row(turn) for turn in found)


def _node_row(turn: NodeTurn) -> tuple[str, ...]:
    same = turn.vlan_before == str(turn.vlan_after)
    vlan = turn.vlan_before if same else f"{turn.vlan_before} → {turn.vlan_after}"
    reboots = "yes" if turn.reboots else "powered off" if turn.after is None else "no"
    return (turn.node, turn.turn.value, turn.before or "pool", turn.after or "pool", vlan, reboots, turn.held)


_KEY_COLUMNS = ("key", "what", "knew it", "shut out", "gets it")


def _key_rows(turns: Turns) -> tuple[tuple[str, ...], ...]:
    rows = []
    for key in _keys(turns):
        out = set(key.knew) - set(key.gets) if key.past is not None and not key.aged else ()
        rows.append((key.key, _key_what(key), *(_names(names) or "-" for names in (key.knew, out, key.gets))))
    return tuple(rows)


def _who_knew(key: KeyTurn) -> str:
    return f"{_names(key.knew) or 'a former node'} knew it"


def _keys(turns: Turns) -> list[KeyTurn]:
    return [key for _, key in sorted(turns.keys.items())]


def _key_what(key: KeyTurn) -> str:
    return "given out" if key.past is None else f"rotated past version {key.past}"


def _key_lines(turns: Turns) -> Iterable[str]:
    return (f"key {key.key} is {_key_what(key)}" for key in _keys(turns))


def _names(names: Iterable[str]) -> str:
    known = sorted(names)
    more = len(known) - _MANY_NAMES
    return ", ".join(known[:_MANY_NAMES]) + (f" and {more} more" if more > 0 else "")


def _measurement_sections(p: Proposal) -> Iterable[Section]:
    images = image_changes(p.base.desired, p.head.desired)
    rows = tuple(row for change in images for row in _image_rows(change))
    note = ("PCR 4 holds the firmware's events as well; shown are the image's events in it.",) if rows else ()
    columns = ("image", "used by", "PCR", "old", "new")
    yield Section(title="Predicted measurements", columns=columns, rows=rows, lines=note)
    lines = []
    for change in policy_changes(p.base.desired, p.head.desired):
        words = [
            f"{word} PCR {', '.join(map(str, pcrs))}"
            for word, pcrs in (
                ("newly pins", change.pins),
                ("no longer pins", change.unpins),
                ("newly quotes", change.quotes),
                ("no longer quotes", change.unquotes),
            )
            if pcrs
        ]
        used = f"used by {', '.join(change.used_by)}" if change.used_by else "used by nobody"
        lines.append(f"{change.policy} ({used}): {'; '.join(words) or 'asks for something else of the same PCRs'}")
    yield Section(title="Policies", lines=tuple(lines))


def _image_rows(change: ImageChange) -> Iterable[tuple[str, ...]]:
    for pcr in sorted(change.before.keys() | change.after.keys()):
        old, new = _values(change.before, pcr), _values(change.after, pcr)
        if change.before.get(pcr) != change.after.get(pcr):
            yield (change.image, ", ".join(change.used_by) or "nobody", str(pcr), old, new)


def _values(values: Mapping[int, str], pcr: int) -> str:
    if pcr not in values:
        return "-"
    return ", ".join(f"`{value[:_VALUE]}…`" for value in values[pcr].split(", "))


_FATE_COLUMNS = ("node", "enclave", "what becomes of it", "why")


def _fate_rows(p: Proposal) -> tuple[tuple[str, ...], ...]:
    order = [Fate.REJECTED, Fate.UNKNOWN, Fate.RESTARTS, Fate.LEAVES, Fate.STAYS]
    rows = []
    for outlook in sorted(p.outlooks, key=lambda found: (order.index(found.fate), found.node)):
        reasons = [
            f"{r.code}: {r.message}" + (f" ({place})" if (place := place_of(r)) else "") for r in outlook.reasons
        ]
        why = "; ".join(reasons) or outlook.note
        rows.append((outlook.node, outlook.enclave, outlook.fate.value, quoted(why) if why else ""))
    return tuple(rows)


def _problems(p: Proposal) -> tuple[str, ...]:
    known = set(p.base.plan.problems)
    return tuple(
        f"{problem.subject}: {problem.message}" + (f" (on {p.base.name} already)" if problem in known else "")
        for problem in p.head.plan.problems
        if problem.subject.removeprefix("node/") not in p.unseen
    )


def _drift(p: Proposal) -> tuple[str, ...]:
    return tuple(f"{d.subject} should be {d.expected}, and is {d.found}" for d in p.head.plan.drift)


def new_actions(p: Proposal) -> tuple[Action, ...]:
    """Return the head's actions that are the change's doing, without edges to others."""
    keys = {f"rotate-key/{name}" for name in p.change.new.keys}
    served = {name for key in p.change.new.keys.values() for name in key.gets}
    nodes = p.change.new.nodes.keys() | (served - p.change.pending.nodes.keys())
    chosen = [a for a in p.head.plan.actions if a.id in keys or (a.verb != "rotate-key" and a.subject in nodes)]
    ids = {action.id for action in chosen}
    return tuple(
        replace(
            action,
            after=tuple(before for before in action.after if before in ids),
            follows=tuple(before for before in action.follows if before in ids),
        )
        for action in chosen
    )


def _time_section(p: Proposal) -> Section:
    actions = new_actions(p)
    if not actions:
        return Section(title="Time")
    found = estimate(actions, medians=p.medians)
    lines = [f"About {_span(found.seconds)} along the longest way, {len(found.path)} steps: {' → '.join(found.path)}."]
    if found.measured:
        lines.append(f"Measured here, the median of up to {p.samples} joins: {', '.join(found.measured)}.")
    if found.guessed:
        lines.append(f"Never recorded here, so a general estimate: {', '.join(found.guessed)}.")
    return Section(title="Time", lines=tuple(lines))


def _span(seconds: float) -> str:
    whole = round(seconds)
    return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s" if whole < 120 else f"{whole // 60} min {whole % 60} s"  # noqa: PLR2004  # seconds and minutes


def _step_rows(p: Proposal) -> tuple[tuple[str, ...], ...]:
    by_subject: dict[str, list[Action]] = {}
    for action in new_actions(p):
        by_subject.setdefault(action.subject, []).append(action)
    actions = (action for _, group in sorted(by_subject.items()) for action in group)
    return tuple((f"`{action.id}`", describe(action, p.head.desired)) for action in actions)


def _graph_section(p: Proposal) -> Section:
    actions = new_actions(p)
    shown = actions[:_DIAGRAM_STEPS]
    ids = {action.id for action in shown}
    kept = [
        replace(
            action,
            after=tuple(b for b in action.after if b in ids),
            follows=tuple(b for b in action.follows if b in ids),
        )
        for action in shown
    ]
    more = (f"The first {len(shown)} of {len(actions)} steps.",) if len(shown) < len(actions) else ()
    return Section(title="Graph", lines=more, diagram=to_mermaid(kept) if kept else "")


def _origin(p: Proposal) -> Iterable[str]:
    yield f"base: {p.base.name}, in force at `{p.base.desired.commit[:_SHORT]}`"
    merged = f", merged with {p.behind} newer commits of {p.base.name}" if p.behind else ""
    yield f"head: {p.head.name} at `{p.head_commit[:_SHORT]}`{merged}, root tree `{p.head.desired.tree[:_SHORT]}`"
    yield f"observation `{p.head.plan.observation[:_SHORT]}`"
    yield "Members whose recorded proof stands are taken to stay proven; evidence that has not been judged is not seen."
    if not p.refusals:
        yield "Every commit of the branch would be followed as it stands."
