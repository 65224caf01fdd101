"""Two trainers by name, fed by Dask, killed and evicted in turn, all by the manifests' own lines.

Each pod is a process in a network namespace of its own, which finds the others by the names that
JobSet and Service give them; label maps and checkpoints lie in a real S3 server. What the JobSet
controller does after a failure is done here: wait until all have ended, start all again.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from manifests import containers, find
from named_machines import Network, named_machines, reason_against
from nifti_files import save_volume
from s3_server import s3_server
from synthseg_common.errors import TERMINATED
from synthseg_common.object_storage import join
from synthseg_generator.label_table import LABEL_TABLES
from synthseg_generator.store.ingest import ingest
from synthseg_trainer.runs.checkpoints import Checkpoint, latest_checkpoint
from synthseg_trainer.runs.mirror import Mirror, fetched
from typed import there

from tests.k8s.test_training import environment

OVERLAY = "training-two-machines"
SETTINGS = """
batch_size: 2
network: {stem: 2, features: 2, n_levels: 2, convs_per_level: 1}
generator:
  crop: {shape: [16, 16, 16], placement: centred, jitter: 2}
  elastic: {squarings: 1}
stages: [{name: only, steps: 30, loss: dice_cross_entropy, learning_rate: 0.01}]
checkpoint_steps: 1
keep_checkpoints: 2
"""
LIMIT_S = 900.0
pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


@dataclass
class Pods:
    """The set's pods, as processes.

    Attributes:
        network: Their machines.
        folder: Settings, scratch space and logs.
        variables: What all of them have in their environment.
        run: Where the run lies.
    """

    network: Network
    folder: Path
    variables: dict[str, str]
    run: str
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self) -> None:
        """Starts all of them, each with an empty disk."""
        (container,) = containers(OVERLAY)
        *shell, script = container["command"]
        script = script.replace("/etc/synthseg/train.yaml", str(self.folder / "train.yaml"))
        name = self.variables["JOBSET_NAME"]
        for index in range(2):
            scratch = self.folder / f"disk-{len(list(self.folder.glob('disk-*')))}"
            scratch.mkdir()
            own = {"JOB_COMPLETION_INDEX": str(index), "TMPDIR": str(scratch)}
            self.processes.append(
                self.network.start(
                    f"{name}-worker-0-{index}.{name}",
                    [*shell, script],
                    {**self.variables, **own},
                    self.folder / f"{self.run.rpartition('/')[2]}-{index}.log",
                )
            )

    def after_step(self, step: int, index: int, number: signal.Signals) -> list[int]:
        """Sends one a signal once a checkpoint beyond a step is whole; exit codes of all."""
        ends = time.monotonic() + LIMIT_S
        while max(Mirror(self.run).whole_steps(), default=0) <= step:
            assert time.monotonic() < ends, self.logs()
            assert all(process.poll() is None for process in self.processes), self.logs()
            time.sleep(0.1)
        self.processes[index].send_signal(number)
        return self.wait()

    def wait(self) -> list[int]:
        """Exit codes of all, when all have ended."""
        codes = [process.wait(LIMIT_S) for process in self.processes]
        self.processes.clear()
        return codes

    def logs(self) -> str:
        """The last words of all."""
        return "\n".join(path.read_text()[-2000:] for path in sorted(self.folder.glob("*.log")))

    def reached(self) -> int:
        """The last whole step."""
        return max(Mirror(self.run).whole_steps(), default=0)

    def result(self) -> Checkpoint:
        """What the run ended with."""
        with fetched(self.run) as local:
            return there(latest_checkpoint(local))


@pytest.fixture(scope="module")
def head_folder(tmp_path_factory: pytest.TempPathFactory, make_head: Callable[..., Any]) -> Path:
    """Two small heads as label maps."""
    folder = tmp_path_factory.mktemp("heads")
    for number, size in enumerate((1.0, 0.9)):
        save_volume(folder / f"head_{number}.nii.gz", make_head((40, 44, 42), size=size))
    return folder


@contextmanager
def _dask(network: Network, folder: Path, variables: dict[str, str]) -> Iterator[None]:
    """Scheduler and one worker, by the manifests' command lines."""
    scheduler, worker = containers("dask")
    service = find("dask", "Service")["metadata"]["name"]
    with ExitStack() as stack:
        for machine, container in ((service, scheduler), ("dask-worker", worker)):
            words = [w.replace("/tmp/dask", str(folder / "dask")) for w in container["command"]]
            process = network.start(machine, words, variables, folder / f"{machine}.log")
            stack.callback(process.wait)
            stack.callback(process.terminate)
        yield


@pytest.mark.skipif(bool(reason_against()), reason=reason_against() or "possible")
def test_two_named_workers_killed_and_evicted_in_turn_end_as_the_run_without_faults(
    tmp_path: Path, head_folder: Path
) -> None:
    (tmp_path / "train.yaml").write_text(SETTINGS)
    told = environment(OVERLAY)
    name, service = told["JOBSET_NAME"], find("dask", "Service")["metadata"]["name"]
    workers = [f"{name}-worker-0-{index}.{name}" for index in range(2)]
    with named_machines([*workers, service, "dask-worker"]) as network, ExitStack() as stack:
        server = stack.enter_context(s3_server(network.gateway))
        bucket = server.make_bucket("training")
        ingest(head_folder, join(bucket, "labels.zarr"), LABEL_TABLES["v2"])
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        common = {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"}
        stack.enter_context(_dask(network, tmp_path, common))
        variables = {
            **common,
            **told,
            "STORE": join(bucket, "labels.zarr"),
            "SCHEDULER": f"tcp://{service}:8786",
        }
        runs = [join(bucket, "runs", kind) for kind in ("faults", "none")]
        faulty, whole = (Pods(network, tmp_path, {**variables, "RUN": r}, r) for r in runs)
        stack.callback(_end, faulty, whole)
        faulty.start()
        assert faulty.after_step(2, 1, signal.SIGKILL) == [1, -signal.SIGKILL], faulty.logs()
        for index in (0, 1):  # each evicted once, after the other was
            faulty.start()
            codes = faulty.after_step(faulty.reached(), index, signal.SIGTERM)
            assert codes == [TERMINATED, TERMINATED], faulty.logs()
        faulty.start()
        assert faulty.after_step(faulty.reached(), 0, signal.SIGKILL)[0] == -signal.SIGKILL
        faulty.start()
        assert faulty.wait() == [0, 0], faulty.logs()
        whole.start()
        assert whole.wait() == [0, 0], whole.logs()
        first, second = faulty.result(), whole.result()
    assert first.step == second.step == 30
    for key, value in second.bundle.weights.items():
        np.testing.assert_array_equal(first.bundle.weights[key], value, err_msg=key)
    for value, other in zip(second.optimizer, first.optimizer, strict=True):
        np.testing.assert_array_equal(value, other)


def _end(*pods: Pods) -> None:
    for pod in pods:
        for process in pod.processes:
            process.kill()
            process.wait()
