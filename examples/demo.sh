#!/usr/bin/env bash
# The main job on the virtual metal, from an empty folder to an audited enclave. Real parts, real time.
# KEEP=1 leaves the lab running; ringfence must be on PATH (make demo sees to it).
set -euo pipefail
cd "$(dirname "$0")/.."

demo="$PWD/.demo"
lab="$demo/lab"
state="$demo/state"
start=$SECONDS
export RINGFENCE_LAB="$lab"
export GIT_AUTHOR_NAME=operator GIT_AUTHOR_EMAIL=operator@lab GIT_COMMITTER_NAME=operator GIT_COMMITTER_EMAIL=operator@lab
export GIT_CONFIG_GLOBAL=/dev/null

title() { printf '\n\033[1m[%3d s] %s\033[0m\n' "$((SECONDS - start))" "$*"; }
show() { printf '\033[2m$ %s\033[0m\n' "$*"; }
say() { show "$@"; "$@"; }
inside() { show "$@"; ringfence lab exec -- "$@"; }
commit() { git -C "$state" add -A && git -C "$state" commit -q "$@" && git -C "$state" log -1 --format='commit %h %s'; }
finish() {
    status=$?
    if [ "${KEEP:-}" = 1 ] && [ "$status" = 0 ]; then return; fi
    [ -n "${loop:-}" ] && kill "$loop" 2>/dev/null && wait "$loop" 2>/dev/null || true
    ringfence lab down >/dev/null 2>&1 || true
    exit "$status"
}
trap finish EXIT

title "1. Three machines, a switch, BMCs, TPMs and the services, in namespaces of their own"
ringfence lab down >/dev/null 2>&1 || true
rm -rf "$demo"
mkdir -p "$demo"
say ringfence lab up --nodes 3
say ringfence init "$state" --signer "$lab/keys/operator.pub" --evidence-signer "$lab/keys/evidence.pub"
say ringfence lab inventory --repo "$state"
pin=$(openssl x509 -in "$lab/tls/certificate.pem" -outform der | sha256sum | cut -c1-64)
say ringfence image build --pin "$pin" --overlay examples/workload --out "$lab/images"
ringfence image predict "$(ls -t "$lab"/images/*.efi | head -n 1)" >"$state/images/worker.yaml"

title "2. A signed commit asks for enclave blue, two nodes"
cp -r examples/blue/tenants "$state/"
say ringfence validate --repo "$state"
commit -m "blue: two nodes"
inside ringfence plan --repo "$state"

title "3. Reconcile: boot, prove, key, admit"
before=$SECONDS
inside ringfence reconcile --repo "$state"
echo "two machines from off to enclave in $((SECONDS - before)) s"

title "4. From the nodes' side of the switch, and with every sort of frame from two test ports"
say ringfence lab probe n1 --to 10.20.0.10:80
say ringfence lab probe n3 --to 10.20.0.10:80 || true
inside ringfence probe --repo "$state"

title "5. A second reconcile finds nothing to do"
show time ringfence reconcile --repo "$state"
ringfence lab exec -- bash -c 'time ringfence reconcile --repo "$1"' bash "$state"

title "6. A pull request asks for a third machine, which boots a changed image"
say ringfence lab tamper n3
git -C "$state" switch -q -c blue-three
sed -i 's/count: 2/count: 3/' "$state/tenants/blue/enclaves/blue.yaml"
commit -m "blue: three nodes"
git -C "$state" switch -q main
say ringfence plan --repo "$state" --base main --head blue-three  # no hardware is asked
git -C "$state" merge -q --ff-only blue-three
inside ringfence reconcile --repo "$state" || true
say ringfence explain node/n3 --repo "$state"
inside ringfence status --repo "$state"
ringfence lab exec -- ringfence status --repo "$state" -o json >"$demo/status.json"

title "7. A commit removes blue"
git -C "$state" rm -q tenants/blue/enclaves/blue.yaml
commit -m "blue: gone"
inside ringfence reconcile --repo "$state"

title "8. An unsigned commit on top changes nothing"
git -C "$state" revert --no-edit --no-gpg-sign HEAD >/dev/null
git -C "$state" log -1 --format='commit %h %s'
inside ringfence reconcile --repo "$state" || true
git -C "$state" reset -q --hard HEAD~1

title "9. An audit of a fresh clone, offline; and one node's evidence, handed on"
git clone -q "$state" "$demo/clone"
say unshare -Urn ringfence audit --repo "$demo/clone" --enclave blue --report "$demo/blue.html"
say ringfence evidence export node/n1 --repo "$demo/clone" --out "$demo/n1.bundle"
say unshare -Urn ringfence verify "$demo/n1.bundle" --signer "$(ssh-keygen -lf "$lab/keys/evidence.pub" | cut -d' ' -f2)"

title "10. The loop: blue again, re-attestation, and a member whose PCR changes"
git -C "$state" revert --no-edit HEAD >/dev/null
sed -i 's/count: 3/count: 2/; s/reattest: 30s/reattest: 10s/' "$state/tenants/blue/enclaves/blue.yaml"
commit --amend -S --no-edit
show ringfence run --repo "$state"
ringfence lab exec -- ringfence run --repo "$state" >"$demo/run.log" 2>&1 &
loop=$!
await() { for _ in $(seq 1 "$2"); do grep -q "$1" "$demo/run.log" && return; sleep 1; done; tail -n 5 "$demo/run.log"; return 1; }
await 'n2 .*see it call from inside' 150
await 'n2 .*tell it that it is trusted' 60
say ringfence lab tamper n2 --pcr 12
await 'n2 .*record its rejection' 60
kill -TERM "$loop"
wait "$loop"
loop=
grep -v 'tell it that it is trusted\|record its evidence$' "$demo/run.log" | tail -n 14

title "The end"
inside ringfence status --repo "$state"
python3 - "$demo/status.json" <<'PYTHON'
import json, statistics, sys
rows = [row for row in json.load(open(sys.argv[1])) if row["total"]]
print()
print(f"evidence received to admission done, median: {statistics.median(row['admission'] for row in rows):.2f} s")
share = statistics.median(row["control"] / row["total"] for row in rows)
print(f"control path (all but POST, download and boot), median: {100 * share:.1f} % of {statistics.median(row['total'] for row in rows):.1f} s")
PYTHON
cat <<TEXT

The state repository is .demo/state; its evidence is on the branch "evidence".
Try next:  ringfence explain node/n2 --repo .demo/state
           ringfence audit --repo .demo/state --at "$(date -u +'%F %T')"
           a browser on .demo/blue.html
           KEEP=1 make demo, then: ringfence lab exec -- ringfence status --repo .demo/state
TEXT
