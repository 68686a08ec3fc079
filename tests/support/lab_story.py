"""A lab with its state repository, as stories about it have them: commands, commits, and what became of the nodes."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.lab import enter, lifecycle
from reconciler.lab.layout import StateDir

PROJECT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "reconciler.cli.main"]


@dataclass
class Story:
    """The lab and its state repository."""

    state: StateDir
    repository: Path

    def ringfence(self, *words: str, is_inside: bool = False) -> subprocess.CompletedProcess[str]:
        command = enter.argv(self.state, [*COMMAND, *words]) if is_inside else [*COMMAND, *words]
        environment = {**os.environ, "RINGFENCE_SETTINGS": str(self.state.settings)}
        return subprocess.run(
            command, capture_output=True, text=True, timeout=120, check=False, env=environment, cwd=PROJECT
        )

    def commit(self, message: str) -> None:
        who = {f"GIT_{role}_{what}": "operator" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        environment = {**os.environ, **who, "GIT_CONFIG_GLOBAL": os.devnull}
        for words in (["add", "-A"], ["commit", "-q", "-m", message]):
            command = ["git", "-C", str(self.repository), *words]
            subprocess.run(command, timeout=30, check=True, env=environment)

    def edit(self, old: str, new: str) -> None:
        path = self.repository / "tenants/blue/enclaves/blue.yaml"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def explain(self, node: str) -> dict[str, Any]:
        done = self.ringfence("explain", f"node/{node}", "--repo", str(self.repository), "-o", "json")
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def reasons(self, node: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.explain(node)["verdict"]["reasons"]
        return found

    def events(self, node: str) -> list[str]:
        return [record["event"] for record in self.explain(node)["records"]]

    def power(self, node: str) -> str:
        return next(one.power for one in lifecycle.status(self.state).nodes if one.name == node)

    def vlans(self) -> list[int | None]:
        return [one.vlan for one in lifecycle.status(self.state).nodes]

    def init(self) -> None:
        """Make the repository, with the lab's inventory in it."""
        keys = self.state.root / "keys"
        signers = ("--signer", str(keys / "operator.pub"), "--evidence-signer", str(keys / "evidence.pub"))
        inventory = ("lab", "inventory", "--repo", str(self.repository), "--state", str(self.state.root))
        for words in (("init", str(self.repository), *signers), inventory):
            done = self.ringfence(*words)
            assert done.returncode == 0, done.stderr

    def ask_for_blue(self) -> None:
        """Build an image, declare it, and ask for enclave blue, two nodes; nothing is committed."""
        pem = self.state.root / "tls/certificate.pem"
        words = ["openssl", "x509", "-in", str(pem), "-outform", "der"]
        pin = hashlib.sha256(subprocess.run(words, capture_output=True, timeout=10, check=True).stdout).hexdigest()
        built = self.ringfence("image", "build", "--pin", pin, "--out", str(self.state.images), "-o", "json")
        assert built.returncode == 0, built.stderr
        declared = self.ringfence("image", "predict", json.loads(built.stdout)["path"])
        (self.repository / "images/worker.yaml").write_text(declared.stdout)
        shutil.copytree(PROJECT / "examples/blue/tenants", self.repository / "tenants", dirs_exist_ok=True)
