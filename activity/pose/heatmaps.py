"""From a person's box to the network's crop, and from its heat maps back to joints in the frame.

Coordinates name pixel centres: the first pixel of an image is at 0. A heat map of stride s has its first
cell over the centre of the first s pixels of the crop, at (s - 1) / 2.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from activity.errors import StructureError

FILL = (114, 114, 114)
"""What the network sees beyond the edge of the frame, the padding of its pre-trained backbone."""
SMOOTHING_CELLS = 1.0
"""Smoothing before a peak is looked for: 0.01 more mean OKS than none on held-out people."""


def crop_matrix(
    box: npt.ArrayLike, *, size: tuple[int, int], padding: float, rotation: float = 0.0
) -> npt.NDArray[np.float64]:
    """The similarity that carries a person's box to the centre of a crop.

    The box is widened to the crop's aspect, then multiplied by `padding`.

    Args:
        box: [4], x0, y0, x1, y1 in pixels of the frame.
        size: Height and width of the crop in pixels.
        padding: Side of the region seen over the side of the box, at least 1.
        rotation: Radians by which the person is turned clockwise, as seen in the crop.

    Returns:
        [2, 3], frame pixels to crop pixels.
    """
    x0, y0, x1, y1 = (float(value) for value in np.asarray(box, np.float64))
    height, width = size
    # A box of no area still gets a crop: one pixel.
    side = max((y1 - y0) / height, (x1 - x0) / width, 1 / height)
    scale = 1 / (side * padding)
    cosine, sine = scale * np.cos(rotation), scale * np.sin(rotation)
    linear = np.array([[cosine, -sine], [sine, cosine]])
    # Box edges lie half a pixel outside the centres of the outermost pixels.
    centre = np.array([(x0 + x1) / 2 - 0.5, (y0 + y1) / 2 - 0.5])
    target = np.array([(width - 1) / 2, (height - 1) / 2])
    return np.concatenate([linear, (target - linear @ centre)[:, None]], axis=1)


def cut_crop(
    image: npt.NDArray[np.uint8], matrix: npt.NDArray[np.float64], *, size: tuple[int, int]
) -> npt.NDArray[np.uint8]:
    """Cut a crop out of a frame, averaging over pixels where it shrinks by two or more.

    Args:
        image: [H, W, 3] uint8.
        matrix: [2, 3], frame pixels to crop pixels.
        size: Height and width of the crop.

    Returns:
        [height, width, 3] uint8; `FILL` beyond the frame.
    """
    height, width = size
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    factor = int(1 / scale) if scale > 0 else 1
    offset = np.zeros(2)
    if factor >= 2:
        # Only what the crop shows is shrunk: on an 8k frame the rest would cost more than the network.
        inverse = np.linalg.inv(matrix[:, :2])
        corners = np.array([[0, 0], [width - 1, 0], [0, height - 1], [width - 1, height - 1]], np.float64)
        seen = (corners - matrix[:, 2]) @ inverse.T
        limit = np.array([image.shape[1], image.shape[0]])
        low = np.clip(np.floor(seen.min(axis=0)).astype(int) - factor, 0, limit)
        high = np.clip(np.ceil(seen.max(axis=0)).astype(int) + factor, 0, limit)
        if (high - low).min() >= 2 * factor:
            cells = (high - low) // factor
            high = low + cells * factor
            part = image[low[1] : high[1], low[0] : high[0]]
            image = np.asarray(
                cv2.resize(part, (int(cells[0]), int(cells[1])), interpolation=cv2.INTER_AREA), np.uint8
            )
            offset = low + (factor - 1) / 2
            linear = matrix[:, :2]
            matrix = np.concatenate([linear * factor, (matrix[:, 2] + linear @ offset)[:, None]], axis=1)
    crop = cv2.warpAffine(
        image,
        matrix,
        (width, height),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=FILL,
    )
    return np.asarray(crop, np.uint8)


def decode_heatmaps(
    heatmaps: npt.NDArray[np.float32], *, smoothing_cells: float = SMOOTHING_CELLS
) -> npt.NDArray[np.float32]:
    """Find each map's peak to a fraction of a cell, and its height.

    The place is looked for in the smoothed map, where a broad hill outweighs a lone spike.

    The peak of a Gaussian is found exactly from the first and second derivatives of its logarithm at the
    highest cell (Zhang et al., "Distribution-Aware Coordinate Representation", CVPR 2020, eq. 8); it is
    kept within one cell of that cell. On the border, where derivatives need a missing neighbour, the cell
    itself is the answer on that axis.

    Args:
        heatmaps: [P, K, h, w] in [0, 1].
        smoothing_cells: Standard deviation of the smoothing, in cells; 0 for none.

    Returns:
        [P, K, 3]: x and y in cells, and the height of the map as given at the cell of the peak, in [0, 1].

    Raises:
        StructureError: If the shape is another or a map is empty.
    """
    if heatmaps.ndim != 4 or 0 in heatmaps.shape[1:]:
        raise StructureError(f"heatmaps: expected shape [any, K, h, w], got {list(heatmaps.shape)}")
    people, joints, height, width = heatmaps.shape
    given = heatmaps.reshape(people * joints, height, width)
    flat = _smooth(given, smoothing_cells) if smoothing_cells > 0 else given
    highest = flat.reshape(len(flat), height * width).argmax(axis=1)
    y, x = np.divmod(highest, width)
    rows = np.arange(len(flat))
    peaks = given[rows, y, x]

    def log_at(dy: int, dx: int) -> npt.NDArray[np.float64]:
        value = flat[rows, np.clip(y + dy, 0, height - 1), np.clip(x + dx, 0, width - 1)]
        return np.asarray(np.log(np.clip(value.astype(np.float64), 1e-6, None)))

    centre, left, right, above, below = log_at(0, 0), log_at(0, -1), log_at(0, 1), log_at(-1, 0), log_at(1, 0)
    inner_x, inner_y = (x > 0) & (x < width - 1), (y > 0) & (y < height - 1)
    dx, dy = np.where(inner_x, (right - left) / 2, 0), np.where(inner_y, (below - above) / 2, 0)
    dxx = np.where(inner_x, right - 2 * centre + left, -1)
    dyy = np.where(inner_y, below - 2 * centre + above, -1)
    dxy = np.where(inner_x & inner_y, (log_at(1, 1) - log_at(1, -1) - log_at(-1, 1) + log_at(-1, -1)) / 4, 0)
    determinant = dxx * dyy - dxy**2
    # A plateau or a saddle has no peak to refine.
    usable = (determinant > 1e-9) & (dxx < 0)
    safe = np.where(usable, determinant, 1)
    offset_x = np.where(usable, -(dyy * dx - dxy * dy) / safe, 0)
    offset_y = np.where(usable, -(dxx * dy - dxy * dx) / safe, 0)
    found = np.stack([x + np.clip(offset_x, -1, 1), y + np.clip(offset_y, -1, 1), peaks], axis=1)
    return found.reshape(people, joints, 3).astype(np.float32)


def _smooth(maps: npt.NDArray[np.float32], sigma_cells: float) -> npt.NDArray[np.float32]:
    smoothed = np.empty(maps.shape, np.float32)
    for index, source in enumerate(np.ascontiguousarray(maps)):
        # Beyond the crop there is no one: zero, not a mirror image.
        smoothed[index] = cv2.GaussianBlur(source, (0, 0), sigma_cells, borderType=cv2.BORDER_CONSTANT)
    return smoothed


def to_frame(
    joints: npt.NDArray[np.float32], matrices: npt.NDArray[np.float64], *, stride: float
) -> npt.NDArray[np.float32]:
    """Carry joints from heat-map cells to pixels of the frame.

    Args:
        joints: [P, K, 3], x and y in cells, confidence.
        matrices: [P, 2, 3], frame pixels to crop pixels.
        stride: Crop pixels per cell.

    Returns:
        [P, K, 3], x and y in frame pixels, confidence unchanged.
    """
    in_crop = (joints[..., :2].astype(np.float64) + 0.5) * stride - 0.5
    result = joints.copy()
    for person, matrix in enumerate(matrices):
        inverse = np.linalg.inv(matrix[:, :2])
        result[person, :, :2] = (in_crop[person] - matrix[:, 2]) @ inverse.T
    return result
