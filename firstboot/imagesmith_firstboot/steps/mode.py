"""The last step before ready: the node takes its place in the cluster, as the mode says."""

import json
from typing import Any, Callable, Dict, List

from imagesmith_firstboot.context import Context
from imagesmith_firstboot.errors import CommandError, StepError
from imagesmith_firstboot.kernel_view import active_swaps

_HOSTFILE = "/etc/imagesmith/hostfile"
_RUN_SCRIPT = "/usr/local/bin/cluster-run"
_MODULES = "/etc/modules-load.d/imagesmith-k8s.conf"
_SYSCTLS = "/etc/sysctl.d/90-imagesmith-k8s.conf"
_DEFAULT_TARGET = "/etc/systemd/system/default.target"
_DAEMON_JSON = "/etc/docker/daemon.json"
_NVIDIA_RUNTIME = "nvidia-container-runtime"


def inputs(context: Context) -> Any:  # noqa: ANN401 -- JSON
    """Return the mode and the peers."""
    return [context.cluster.mode, context.node.peers]


def run(context: Context) -> str:
    """Do what this cluster's mode asks of a node."""
    return MODES[context.cluster.mode](context)


def _none(_context: Context) -> str:
    return "no cluster software asked for"


def _mpi(context: Context) -> str:
    if not context.root.exists(_RUN_SCRIPT):
        raise StepError(f"{_RUN_SCRIPT} is missing: the image was built without the mpi overlay")
    addresses = [peer.address or peer.hostname for peer in context.node.peers]
    context.root.write(_HOSTFILE, "".join(f"{address} slots=1\n" for address in addresses))
    there = [name for name in ("mpirun", "horovodrun") if context.board.has(name)]
    return f"{len(addresses)} hosts, {' and '.join(there) or 'no mpirun'} installed"


def _k8s(context: Context) -> str:
    for path in (_MODULES, _SYSCTLS):
        if not context.root.exists(path):
            raise StepError(f"{path} is missing: the image was built without the k8s overlay")
    context.root.link(_DEFAULT_TARGET, "/lib/systemd/system/multi-user.target")
    notes = _use_nvidia_runtime(context)
    left = active_swaps(context.root)
    if left:
        raise StepError("kubelet does not start with swap in use: " + ", ".join(sorted(left)))
    return ", ".join(["no swap", *notes, *_load_kernel_parts(context)])


def _load_kernel_parts(context: Context) -> List[str]:
    # systemd reads both files again at every boot; a kernel without a module is told, not fatal: another
    # CNI may do without, and kubeadm's own checks are the judge.
    modules = (context.root.read_text(_MODULES) or "").split()
    absent = [module for module in modules if not _loads(context, module)]
    context.board.run(["systemctl", "restart", "systemd-sysctl.service"])
    return [f"kernel lacks {' and '.join(absent)}"] if absent else ["modules loaded"]


def _loads(context: Context, module: str) -> bool:
    try:
        context.board.run(["modprobe", module])
    except CommandError:
        return False
    return True


def _use_nvidia_runtime(context: Context) -> List[str]:
    if not (context.board.has("dockerd") and context.board.has(_NVIDIA_RUNTIME)):
        return ["no NVIDIA container runtime"]
    try:
        settings = json.loads(context.root.read_text(_DAEMON_JSON) or "{}")
        runtimes = {**settings.get("runtimes", {}), "nvidia": {"path": _NVIDIA_RUNTIME, "runtimeArgs": []}}
    except (ValueError, AttributeError, TypeError):
        raise StepError(f"{_DAEMON_JSON} is not a JSON object: docker would not start either") from None
    # kubeadm takes the systemd cgroup driver for granted since 1.22; docker on 18.04 does not.
    wanted = {
        **settings,
        "default-runtime": "nvidia",
        "runtimes": runtimes,
        "exec-opts": ["native.cgroupdriver=systemd"],
    }
    changed = context.root.write(_DAEMON_JSON, json.dumps(wanted, indent=2, sort_keys=True) + "\n")
    if changed:
        context.board.run(["systemctl", "try-restart", "docker.service"])
    return ["docker runs with the NVIDIA runtime"]


MODES: Dict[str, Callable[[Context], str]] = {"mpi": _mpi, "k8s": _k8s, "none": _none}
