"""A script that makes a TPU VM or slice, runs the points that are not done on it, one after another, and removes it.

For a few chips without Kubernetes: `gcloud compute tpus tpu-vm`. The checkout and the work directories lie on a share
(NFS) that the script mounts, so that nothing is lost with the machine.
"""

import argparse
import shlex
from collections.abc import Sequence

from errors import InputError
from sweeps.sweep import Sweep, cloud_name

RANK = "SWEEP_PROCESS"
# Which machine of the slice it is; no variable tells a shell there, and JAX asks the same place.
NUMBER = (
    "$(curl -sf -H Metadata-Flavor:Google "
    "http://metadata.google.internal/computeMetadata/v1/instance/attributes/agent-worker-number)"
)
LONGEST_NAME = 60  # characters; a TPU's may have 63
# On each machine: what the image of a TPU VM has may be older than the packages ask for.
PYTHON = "$HOME/venv/bin/python"
INSTALL = (
    "python3 -m pip install -q --user uv && python3 -m uv venv -q --clear --python=3.11 $HOME/venv"
    f" && python3 -m uv pip install -q --python={PYTHON} -r requirements.txt && python3 -m uv pip install -q"
    f' --python={PYTHON} "jax[tpu]==$({PYTHON} -c "import jax; print(jax.__version__)")"'
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--zone", required=True, help="such as us-west4-a")
    parser.add_argument("--type", default="v5litepod-8", help="accelerator type: v5litepod-8, v5p-8, v6e-8, ...")
    parser.add_argument("--version", default="v2-alpha-tpuv5-lite", help="runtime version that goes with the type")
    parser.add_argument("--machines", type=int, default=1, help="TPU VMs of the slice: 1 up to 8 chips of v5e or v6e")
    parser.add_argument("--share", required=True, help="SERVER:/PATH of an NFS share with this checkout at its top")
    parser.add_argument("--spot", action="store_true", help="cheaper; may be taken away, and is asked for again")


def text(given: argparse.Namespace, sweep: Sweep, numbers: Sequence[int]) -> str:
    """The script; it ends with 1 if a point did not end well.

    Raises:
      InputError: a slice without machines.
    """
    if given.machines < 1:
        raise InputError(f"--machines={given.machines} should be at least 1")
    several = given.machines > 1
    run = f"cd /mnt/share && {f'{RANK}={NUMBER} ' if several else ''}{PYTHON} -m sweeps point {shlex.quote(given.file)}"
    mount = f"sudo mkdir -p /mnt/share && sudo mount {shlex.quote(given.share)} /mnt/share"
    spot = " --spot" if given.spot else ""
    return f"""#!/bin/bash
# Started again, it runs what is not done. `gcloud auth login` and `gcloud config set project` come first.
set -eu
name={cloud_name(f"sweep-{sweep.root.name}", longest=LONGEST_NAME)}
zone={shlex.quote(given.zone)}
run={shlex.quote(run)}
failed=

make() {{
    gcloud compute tpus tpu-vm create "$name" --zone="$zone" \\
        --accelerator-type={shlex.quote(given.type)} --version={shlex.quote(given.version)}{spot}
    trap remove EXIT  # from here on there is something to remove, whatever fails
    everywhere {shlex.quote(f"sudo apt-get install -y nfs-common && {mount}")}
    everywhere {shlex.quote(f"cd /mnt/share && {INSTALL}")}
}}
everywhere() {{ gcloud compute tpus tpu-vm ssh "$name" --zone="$zone" --worker=all --command="$1"; }}
remove() {{ gcloud compute tpus tpu-vm delete "$name" --zone="$zone" --quiet; }}

make
for number in {" ".join(map(str, numbers))}; do
    well=
    for _ in 1 2 3; do
        if everywhere "$run $number{" --distributed" if several else ""}"; then well=yes; break; fi
        # Taken away: make it anew and go on from the checkpoint. Failed: the log says why, and the next point follows.
        state=$(gcloud compute tpus tpu-vm describe "$name" --zone="$zone" --format='value(state)' || echo GONE)
        if [ "$state" = READY ]; then break; fi
        remove || true
        make
    done
    if [ -z "$well" ]; then failed="$failed $number"; fi
done
if [ -n "$failed" ]; then echo "did not end well:$failed" >&2; exit 1; fi
"""
