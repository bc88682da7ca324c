from __future__ import annotations

import pytest
import torch
from torch import Tensor

from activity.networks.yolox import Yolox
from activity.training.detector.loss import (
    Objects,
    assign_cells,
    cells_of_input,
    decode_boxes,
    detection_loss,
)

CELLS = cells_of_input(64, 64)  # 64 cells at stride 8, 16 at 16, 4 at 32


def objects(
    boxes: list[list[float]], classes: list[int], ignored: list[list[float]] | None = None
) -> Objects:
    return Objects(
        torch.tensor(boxes).reshape(-1, 4),
        torch.tensor(classes, dtype=torch.int64),
        torch.tensor(ignored or []).reshape(-1, 4),
    )


def offsets_of(boxes: Tensor) -> Tensor:
    """What every cell would have to say for the boxes [84, 4]."""
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2 / CELLS.strides[:, None] - CELLS.corners
    sizes = ((boxes[:, 2:] - boxes[:, :2]) / CELLS.strides[:, None]).log()
    return torch.cat([centres, sizes], 1)


def test_cells_stand_level_by_level_and_row_by_row() -> None:
    assert len(CELLS.centres) == 84
    assert CELLS.centres[9].tolist() == [12, 12]  # stride 8, row 1, column 1
    assert CELLS.centres[64 + 4].tolist() == [8, 24]  # stride 16, row 1, column 0
    assert CELLS.centres[83].tolist() == [48, 48]


def test_decoding_undoes_the_offsets() -> None:
    boxes = torch.tensor([10.0, 20, 30, 60]).expand(84, 4)
    torch.testing.assert_close(decode_boxes(offsets_of(boxes), CELLS), boxes)


def test_cells_far_from_the_centre_never_answer() -> None:
    person = objects([[0, 0, 64, 64]], [0])
    raw = torch.zeros(84, 7)
    raw[:, :4] = offsets_of(person.boxes.expand(84, 4))  # every cell is right
    chosen, owner, iou = assign_cells(decode_boxes(raw, CELLS), raw, person, CELLS)
    # Ten best overlaps of 1 add up to ten cells; within 1.5 cells of (32, 32) lie 4 cells of each level.
    assert len(chosen) == 10
    assert ((CELLS.centres[chosen] - 32).abs().amax(1) < 1.5 * CELLS.strides[chosen]).all()
    assert owner.tolist() == [0] * 10
    torch.testing.assert_close(iou, torch.ones(10))


def test_object_that_nothing_overlaps_still_gets_one_cell() -> None:
    tiny = objects([[3, 3, 5, 5]], [1])
    raw = torch.zeros(84, 7)
    raw[:, :4] = offsets_of(torch.tensor([40.0, 40, 60, 60]).expand(84, 4))
    chosen, owner, _ = assign_cells(decode_boxes(raw, CELLS), raw, tiny, CELLS)
    assert (len(chosen), owner.tolist()) == (1, [0])


def test_cell_wanted_twice_goes_to_the_object_of_its_class() -> None:
    both = objects([[16, 16, 48, 48], [16, 16, 48, 48]], [0, 1])
    raw = torch.zeros(84, 7)
    raw[:, :4] = offsets_of(both.boxes[:1].expand(84, 4))
    raw[:, 4], raw[:, 5], raw[:, 6] = 4.0, -4.0, 4.0  # all say: weapon
    chosen, owner, _ = assign_cells(decode_boxes(raw, CELLS), raw, both, CELLS)
    assert len(set(chosen.tolist())) == len(chosen)
    assert (owner == 1).all()


def test_picture_without_objects_has_no_answering_cell() -> None:
    chosen, owner, iou = assign_cells(torch.zeros(84, 4), torch.zeros(84, 7), objects([], []), CELLS)
    assert (len(chosen), len(owner), len(iou)) == (0, 0, 0)


def test_empty_picture_costs_the_background_of_every_cell() -> None:
    losses = detection_loss(torch.zeros(1, 84, 7), [objects([], [])], CELLS)
    assert float(losses.total) == pytest.approx(84 * 0.693147, rel=1e-4)  # ln 2 a cell


def test_ignored_region_costs_nothing() -> None:
    raw = torch.zeros(1, 84, 7)
    raw[0, :, :4] = offsets_of(torch.tensor([10.0, 10, 30, 30]).expand(84, 4))
    inside = detection_loss(raw, [objects([], [], [[0, 0, 40, 40]])], CELLS)
    outside = detection_loss(raw, [objects([], [], [[30, 30, 60, 60]])], CELLS)
    assert float(inside.total) == 0
    assert float(outside.total) > 50


def test_few_steps_on_one_picture_lower_the_loss() -> None:
    torch.manual_seed(0)
    network = Yolox(2)
    images = torch.rand(1, 3, 64, 64) * 255
    labels = [objects([[8, 8, 40, 56], [30, 20, 44, 30]], [0, 1])]
    optimizer = torch.optim.AdamW(network.parameters(), 3e-3)
    totals = []
    for _ in range(30):
        losses = detection_loss(network(images), labels, CELLS)
        optimizer.zero_grad()
        losses.total.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        totals.append(float(losses.total.detach()))
    assert totals[-1] < 0.7 * totals[0]
