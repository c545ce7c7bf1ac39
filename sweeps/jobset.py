"""JobSets for TPU slices of Google Kubernetes Engine: one for each point that is not done, for Kueue to admit.

Each JobSet is one slice: a Job with one pod for each of its machines. A pod that ends badly, or whose slice is taken
away, restarts the JobSet, and the run goes on from its checkpoint; what would only end the same way again fails it at
once. The checkout is in the image; the sweep's directory lies on a volume that every machine mounts. Formats:
jobset.x-k8s.io/v1alpha2; batch/v1; Kueue's queue-name label.
"""

import argparse
import math
import re
from collections.abc import Sequence
from typing import Any

import yaml

from errors import LASTS, InputError
from sweeps.sweep import Sweep, cloud_name

ONE_MACHINE = {"tpu-v5-lite-podslice": 8, "tpu-v6e-slice": 8}  # most chips of a slice that is one machine; others: 4
SIDES = {"tpu-v5-lite-podslice": 2, "tpu-v6e-slice": 2, "tpu-v4-podslice": 3, "tpu-v5p-slice": 3}  # of a topology
SEVERAL = 4  # chips of each machine of a larger slice
WHOLE = (1, 4, 8)  # chips that one machine may have
NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")  # RFC 1123, as Kubernetes checks it
LONGEST_NAME = 40  # the pods' names add up to 23 to it, and may have 63
EXCLUSIVE = "alpha.jobset.sigs.k8s.io/exclusive-topology"  # a pool of machines for each JobSet alone
MOST_RESTARTS = 20
CONTAINER = "train"
SECONDS_TO_SAVE = 120
SECONDS_KEPT = 600  # of what has ended; a point of that name is applied again only once it is gone


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--image", required=True, help="container image with this checkout in its working directory")
    parser.add_argument("--accelerator", default="tpu-v5-lite-podslice", help="GKE's name of the TPU generation")
    parser.add_argument("--topology", default="2x4", help="chips of a slice along each side, such as 4x4 or 2x2x2")
    parser.add_argument("--queue", default="", help="Kueue's local queue; empty = no Kueue")
    parser.add_argument("--claim", required=True, help="persistent volume claim that all machines can write to")
    parser.add_argument("--mount", default="/runs", help="where the claim is mounted; the sweep's directory lies in it")
    parser.add_argument("--namespace", default="default")


def text(given: argparse.Namespace, sweep: Sweep, numbers: Sequence[int]) -> str:
    """YAML of several documents.

    Raises:
      InputError: the topology is none, the sweep's directory is not on the volume, or a name is none of Kubernetes'.
    """
    if not sweep.root.is_absolute() or not sweep.root.is_relative_to(given.mount):
        raise InputError(
            f"the sweep's directory {sweep.root} should lie under --mount={given.mount}, which all machines share; "
            "set `directory` of the sweep, or --mount"
        )
    for option in ("queue", "claim", "namespace"):
        name = getattr(given, option)
        if not NAME.fullmatch(name) and (name or option != "queue"):
            raise InputError(f"--{option}={name} should be lower-case letters, digits and -, at most 63")
    chips, machines = slice_shape(given.accelerator, given.topology)
    return yaml.safe_dump_all(
        [_jobset(given, sweep, number, chips, machines) for number in numbers], sort_keys=False, explicit_start=True
    )


def slice_shape(accelerator: str, topology: str) -> tuple[int, int]:
    """Chips of each machine, and machines, of a slice.

    Raises:
      InputError: the topology is not written as 2x4 or 2x2x2, has more or fewer sides than those of that accelerator,
        or its chips do not fill whole machines.
    """
    if not re.fullmatch(r"[1-9]\d*(x[1-9]\d*){1,2}", topology):
        raise InputError(f"--topology={topology} should be chips along each side, such as 2x4 or 2x2x2")
    sides = list(map(int, topology.split("x")))
    if len(sides) != (wanted := SIDES.get(accelerator, len(sides))):
        raise InputError(f"--topology={topology}: a topology of {accelerator} has {wanted} sides")
    chips = math.prod(sides)
    if accelerator in SIDES and chips not in WHOLE and chips < max(WHOLE):
        raise InputError(f"--topology={topology}: there are no machines of {chips} chips")
    if chips <= ONE_MACHINE.get(accelerator, SEVERAL):
        return chips, 1
    if chips % SEVERAL:
        raise InputError(f"--topology={topology}: {chips} chips do not fill machines of {SEVERAL}")
    return SEVERAL, chips // SEVERAL


def _jobset(given: argparse.Namespace, sweep: Sweep, number: int, chips: int, machines: int) -> dict[str, Any]:
    name = f"{cloud_name(sweep.root.name, longest=LONGEST_NAME)}-{number}"
    labels = {"kueue.x-k8s.io/queue-name": given.queue} if given.queue else {}
    job = {
        "parallelism": machines,
        "completions": machines,
        "completionMode": "Indexed",
        "backoffLimit": 0,  # one pod that fails fails the Job, and with it the JobSet restarts as a whole
        "podFailurePolicy": {
            "rules": [
                {
                    "action": "FailJob",
                    "onExitCodes": {"containerName": CONTAINER, "operator": "In", "values": [LASTS]},
                }
            ]
        },
        "template": {"spec": _pod(given, number, chips, machines)},
    }
    return {
        "apiVersion": "jobset.x-k8s.io/v1alpha2",
        "kind": "JobSet",
        "metadata": {
            "name": name,
            "namespace": given.namespace,
            "labels": labels,
            # The pool of a slice of several machines is that slice; a pool of single machines holds many slices.
            "annotations": {EXCLUSIVE: "cloud.google.com/gke-nodepool"} if machines > 1 else {},
        },
        "spec": {
            "ttlSecondsAfterFinished": SECONDS_KEPT,
            "failurePolicy": {
                "maxRestarts": MOST_RESTARTS,
                "rules": [{"name": "lasts", "action": "FailJobSet", "onJobFailureReasons": ["PodFailurePolicy"]}],
            },
            "replicatedJobs": [{"name": "slice", "replicas": 1, "template": {"spec": job}}],
        },
    }


def _pod(given: argparse.Namespace, number: int, chips: int, machines: int) -> dict[str, Any]:
    command = ["python", "-m", "sweeps", "point", given.file, str(number)]
    amount = {"google.com/tpu": chips}
    return {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": SECONDS_TO_SAVE,
        "nodeSelector": {
            "cloud.google.com/gke-tpu-accelerator": given.accelerator,
            "cloud.google.com/gke-tpu-topology": given.topology,
        },
        "containers": [
            {
                "name": CONTAINER,
                "image": given.image,
                "command": [*command, "--distributed"] if machines > 1 else command,
                "ports": [{"containerPort": 8471}, {"containerPort": 8080}],
                "resources": {"requests": dict(amount), "limits": dict(amount)},
                "volumeMounts": [{"name": "runs", "mountPath": given.mount}],
            }
        ],
        "volumes": [{"name": "runs", "persistentVolumeClaim": {"claimName": given.claim}}],
    }
