"""The history of a run: means of losses, rows, the time of an iteration."""

from pathlib import Path

import torch

from gantry.training.history import History, LossMeter, usual_rate


def test_the_meter_means_over_each_phases_steps() -> None:
    meter = LossMeter(torch.device("cpu"))
    for loss_d, losses_g in ((1.0, (2.0, 4.0)), (3.0, (6.0, 8.0))):
        meter.add(0, torch.tensor(loss_d))
        for loss in losses_g:
            meter.add(1, torch.tensor(loss))
        meter.end_iteration()
    assert meter.read() == ([2.0, 5.0], 2, True)
    assert meter.read() == ([0.0, 0.0], 0, True)


def test_history_forgets_what_the_state_does_not_know(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    row = "{},0.5,0.25,10,160,"
    lines = [
        "iteration,loss_d,loss_g,iterations_per_second,images_per_second,peak_memory_bytes",
        row.format(10),
        "\0\0\0",
        row.format("x"),
        row.format(20),
        row.format(30),
        "40,0",
    ]
    path.write_text("\n".join(lines))
    History(path, 20).add(25, [1 / 3, float("nan")], 2.0, 16, 1 << 20)
    assert path.read_text().splitlines() == [
        lines[0], row.format(10), row.format(20), "25,0.333333333,nan,2,32,1048576"
    ]  # fmt: skip


def test_a_pause_does_not_make_an_iteration_slow(tmp_path: Path) -> None:
    history = History(tmp_path / "history.csv", 0)
    assert usual_rate(history.path, 0) is None
    for iteration, rate in ((100, 20.0), (200, 50.0), (300, 0.01), (400, 49.0), (500, 51.0)):
        history.add(iteration, [1.0, 1.0], rate, 16, None)
    assert usual_rate(history.path, 500) == 49.0
    assert usual_rate(history.path, 300) == 20.0  # of what the state knows
