"""A script that makes a TPU VM or slice, runs the points that are not done on it, one after another, and removes it.

For a few chips without Kubernetes: `gcloud compute tpus tpu-vm`. The checkout and the work directories lie on a share
(NFS) that the script mounts, so that nothing is lost with the machine.
"""

import argparse
import shlex
from collections.abc import Sequence

from sweeps.sweep import Sweep


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--zone", required=True, help="such as us-west4-a")
    parser.add_argument("--type", default="v5litepod-8", help="accelerator type: v5litepod-8, v5p-8, v6e-8, ...")
    parser.add_argument("--version", default="v2-alpha-tpuv5-lite", help="runtime version that goes with the type")
    parser.add_argument("--machines", type=int, default=1, help="TPU VMs of the slice: 1 up to 8 chips of v5e or v6e")
    parser.add_argument("--share", required=True, help="SERVER:/PATH of an NFS share with this checkout at its top")
    parser.add_argument("--spot", action="store_true", help="cheaper; may be taken away, and is asked for again")


def text(given: argparse.Namespace, sweep: Sweep, numbers: Sequence[int]) -> str:
    distributed = " --distributed" if given.machines > 1 else ""
    point = f"python3 -m sweeps point {shlex.quote(given.file)}"
    spot = " --spot" if given.spot else ""
    return f"""#!/bin/bash
# Started again, it runs what is not done. `gcloud auth login` and `gcloud config set project` come first.
set -eu
name={shlex.quote(f"sweep-{sweep.root.name}".lower().replace("_", "-"))}
zone={shlex.quote(given.zone)}
share={shlex.quote(given.share)}

make() {{
    gcloud compute tpus tpu-vm create "$name" --zone="$zone" \\
        --accelerator-type={shlex.quote(given.type)} --version={shlex.quote(given.version)}{spot}
    everywhere "sudo apt-get install -y nfs-common && sudo mkdir -p /mnt/share && sudo mount $share /mnt/share"
    everywhere "cd /mnt/share && pip install -q -r requirements.txt && pip install -q -U \\"jax[tpu]\\""
}}
everywhere() {{ gcloud compute tpus tpu-vm ssh "$name" --zone="$zone" --worker=all --command="$1"; }}
remove() {{ gcloud compute tpus tpu-vm delete "$name" --zone="$zone" --quiet; }}

make
trap remove EXIT
for number in {" ".join(map(str, numbers))}; do
    for _ in 1 2 3; do
        if everywhere "cd /mnt/share && {point} $number{distributed}"; then break; fi
        # Taken away: make it anew and go on from the checkpoint. Failed: the log says why, and the next point follows.
        state=$(gcloud compute tpus tpu-vm describe "$name" --zone="$zone" --format='value(state)' || echo GONE)
        if [ "$state" = READY ]; then break; fi
        remove || true
        make
    done
done
"""
