"""A real SLURM of two nodes on this machine: daemons of its own, fake GPU devices, no accounting.

Needs root, Linux and the packages slurmctld, slurmd, slurm-client and munge (Debian's names). As a script,
`python -m tests.cluster.slurm FOLDER`, it starts one and leaves it running until its input ends.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch", "srun", "scontrol", "scancel", "squeue")
ETC = Path("/etc/slurm")
CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort=16817
AuthInfo=socket={base}/run/munge.sock,cred_expire=5
SlurmUser=root
SlurmdUser=root
StateSaveLocation={base}/state
SlurmdSpoolDir={base}/spool/%n
SlurmctldPidFile={base}/run/slurmctld.pid
SlurmdPidFile={base}/run/slurmd-%n.pid
SlurmctldLogFile={base}/log/slurmctld.log
SlurmdLogFile={base}/log/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=100
SchedulerParameters=sched_interval=2,bf_interval=2,sched_min_interval=0,batch_sched_delay=0
ReturnToService=2
MinJobAge=600
KillWait=20
JobRequeue=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
GresTypes=gpu
SlurmdParameters=config_overrides
AccountingStorageType=accounting_storage/none
NodeName=n[1-2] NodeHostname={host} NodeAddr=127.0.0.1 Port=[16821-16822] CPUs=8 RealMemory=64000 Gres=gpu:2
PartitionName=main Nodes=n[1-2] Default=YES PriorityTier=1 GraceTime=0
PartitionName=high Nodes=n[1-2] PriorityTier=10 PreemptMode=OFF
"""
DEVICES = """\
AutoDetect=off
NodeName=n1 Name=gpu File={base}/dev/n1-gpu[0-1]
NodeName=n2 Name=gpu File={base}/dev/n2-gpu[0-1]
"""


def obstacle() -> str | None:
    """Why no SLURM can be started here; None if one can."""
    missing = [name for name in PROGRAMS if not shutil.which(name)]
    if sys.platform != "linux" or os.geteuid() != 0:
        return "takes Linux and root"
    if missing:
        return f"not installed: {', '.join(missing)} (Debian: slurmctld slurmd slurm-client munge)"
    if (ETC / "slurm.conf").exists() and not (ETC / "slurm.conf").is_symlink():
        return f"this machine has a SLURM of its own: {ETC}/slurm.conf"
    return None


class Slurm:
    """The cluster; `start` and `stop` it."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.daemons: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start all daemons and wait until a job runs on both nodes."""
        for name in ("run", "state", "log", "dev", "spool/n1", "spool/n2"):
            (self.base / name).mkdir(parents=True)
        for node in ("n1", "n2"):
            for index in (0, 1):
                # Devices must be devices: two names for /dev/null.
                subprocess.run(["mknod", self.base / f"dev/{node}-gpu{index}", "c", "1", "3"], check=True)
        ETC.mkdir(exist_ok=True)
        for name, text in (("slurm.conf", CONFIGURATION), ("gres.conf", DEVICES)):
            (self.base / name).write_text(text.format(host=socket.gethostname(), base=self.base))
            (ETC / name).unlink(missing_ok=True)
            (ETC / name).symlink_to(self.base / name)
        key = self.base / "munge.key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o600)
        run = self.base / "run"
        self._daemon(
            "munged", "-F", "-f", f"--key-file={key}", f"--socket={run}/munge.sock",
            f"--pid-file={run}/munged.pid", f"--seed-file={run}/munged.seed", f"--log-file={self.base}/log/munged.log",
        )  # fmt: skip
        self._until(lambda: (run / "munge.sock").exists(), "munged")
        self._daemon("slurmctld", "-D")
        for node in ("n1", "n2"):
            self._daemon("slurmd", "-D", "-N", node)
        self._until(self._runs_jobs, "the nodes")

    def stop(self) -> None:
        """Cancel every job, end every daemon, remove the links in /etc."""
        if self.daemons:
            subprocess.run(["scancel", "--user=root"], capture_output=True, timeout=30)
            give_up = time.monotonic() + 60
            while self._has_jobs() and time.monotonic() < give_up:  # or they would outlive their cluster
                time.sleep(0.5)
        for daemon in reversed(self.daemons):
            daemon.send_signal(signal.SIGTERM)
        for daemon in reversed(self.daemons):
            try:
                daemon.wait(timeout=15)
            except subprocess.TimeoutExpired:
                daemon.kill()
        for name in ("slurm.conf", "gres.conf"):
            (ETC / name).unlink(missing_ok=True)

    def control(self, *arguments: str) -> str:
        """What `scontrol ARGUMENTS` prints."""
        return subprocess.run(["scontrol", *arguments], capture_output=True, text=True, check=True).stdout

    def jobs(self) -> list[dict[str, str]]:
        """Every job in the queue: number, state, node, comment (rule and wildcards)."""
        done = subprocess.run(
            ["squeue", "-h", "-t", "all", "-o", "%i|%T|%N|%k"], capture_output=True, text=True, check=True
        )
        names = ("number", "state", "node", "comment")
        return [dict(zip(names, line.split("|", 3), strict=True)) for line in done.stdout.splitlines()]

    def _has_jobs(self) -> bool:
        done = subprocess.run(["squeue", "-h"], capture_output=True, text=True)
        return done.returncode == 0 and bool(done.stdout.strip())

    def _daemon(self, *command: str) -> None:
        log = (self.base / "log" / f"{command[0]}{len(self.daemons)}.out").open("wb")
        self.daemons.append(subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True))

    def _runs_jobs(self) -> bool:
        test = ["srun", "-Q", "-N2", "-n2", "--immediate=1", "true"]
        return subprocess.run(test, capture_output=True).returncode == 0

    def _until(self, ready: Callable[[], bool], what: str) -> None:
        give_up = time.monotonic() + 30
        while not ready():
            if time.monotonic() > give_up:
                logs = "\n".join(path.read_text()[-2000:] for path in (self.base / "log").iterdir())
                raise RuntimeError(f"{what} did not come up:\n{logs}")
            time.sleep(0.2)


if __name__ == "__main__":
    cluster = Slurm(Path(sys.argv[1]).absolute())
    try:
        cluster.start()
        print("ready", flush=True)
        sys.stdin.read()
    finally:
        cluster.stop()
