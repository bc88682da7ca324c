"""From a clip and a checkpoint to a gallery of pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from activity.config import Settings
from activity.datasets.hr_crime import HR_CRIME_FRAME_RATE_HZ, read_hr_crime
from activity.errors import CheckpointError, StructureError
from activity.evaluation.explanation.attention_figures import (
    body_part_attention_figure,
    tubelet_attention_figure,
)
from activity.evaluation.explanation.clips import FollowedClip, follow_clip, frame_times, posed_frames
from activity.evaluation.explanation.gallery import Gallery
from activity.evaluation.explanation.population import (
    Population,
    confusion_figure,
    embed,
    neighbours_figure,
    neighbours_map,
    silhouette_figure,
    silhouettes,
)
from activity.evaluation.explanation.relevance import (
    Agreement,
    agreement,
    occlusion_drops,
    rank_correlation,
    tubelet_frames,
    tubelet_relevance,
)
from activity.evaluation.explanation.segment_figures import (
    overview_figure,
    relevance_figure,
    skeleton_figure,
)
from activity.evaluation.labelled_videos import (
    cut_videos,
)
from activity.networks.onnx import OnnxModel
from activity.recognition.bptubeformer import BPTubeFormer
from activity.recognition.checkpoint import RecognizerCheckpoint, load_checkpoint
from activity.recognition.fused import INPUT, OUTPUT, fused_onnx
from activity.recognition.recognizer import Recognizer
from activity.structures import BODY_PARTS, ActivityScore, AttentionMap, Tubelet
from activity.tubelets import TubeletSettings, make_tubelets

MOST_SEGMENTS: Final = 200
"""Segments of a clip that are taken apart by occlusion, spread evenly over it."""

MOST_POINTS: Final = 3000
"""Segments of a population, drawn at random from more."""

OnProgress = Callable[[str, int, int | None], None]


@dataclass(frozen=True, slots=True, eq=False)
class ExplainedSegment:
    """One segment and why it was answered as it was.

    Attributes:
        tubelet: The segment.
        score: The answer, attention included.
        relevance: [5, n], of roll-out.
        drops: [5, n], of occlusion, for the answered class.
        correlation: Spearman's, of the two.
    """

    tubelet: Tubelet
    score: ActivityScore
    relevance: npt.NDArray[np.float64]
    drops: npt.NDArray[np.float64]
    correlation: float | None

    @property
    def attention(self) -> AttentionMap:
        """Where the network looked."""
        assert self.score.attention is not None  # noqa: S101  (`explain_segments` asks for it)
        return self.score.attention


def load_explainable(path: Path) -> tuple[RecognizerCheckpoint, BPTubeFormer]:
    """Read a checkpoint whose network has body parts and tubelets to look at.

    Raises:
        CheckpointError: If it cannot be read, or is of another network.
    """
    checkpoint = load_checkpoint(path)
    if not isinstance(checkpoint.network, BPTubeFormer):
        raise CheckpointError(
            f"{path}: expected a BPTubeFormer, got {type(checkpoint.network).__name__}, which has no body-part or "
            "tubelet attention; name a checkpoint of architecture bptubeformer"
        )
    return checkpoint, checkpoint.network


def explain_segments(
    checkpoint: RecognizerCheckpoint,
    network: BPTubeFormer,
    tubelets: Sequence[Tubelet],
    *,
    threads: int = 1,
    on_progress: OnProgress = lambda _stage, _done, _total: None,
) -> list[ExplainedSegment]:
    """Answer every segment, and take it apart by attention and by occlusion."""
    scores = Recognizer(checkpoint, threads=threads).recognize(tubelets, attention=True)
    fused = OnnxModel(checkpoint.path, threads=threads, content=fused_onnx(network))
    explained = []
    for done, (tubelet, score) in enumerate(zip(tubelets, scores, strict=True), start=1):
        drops = occlusion_drops(
            tubelet.grids,
            network.config,
            logits=lambda grids: fused.run({INPUT: grids})[OUTPUT],
            label=score.classes.index(score.label),
        )
        assert score.attention is not None  # noqa: S101  (asked for above)
        relevance = tubelet_relevance(score.attention)
        explained.append(
            ExplainedSegment(tubelet, score, relevance, drops, rank_correlation(relevance, drops))
        )
        on_progress("occlusion", done, len(tubelets))
    return explained


def explain(
    source: Path,
    checkpoint_file: Path,
    folder: Path,
    settings: Settings,
    *,
    clip: Path | None = None,
    person: int | None = None,
    at_s: float | None = None,
    trajectories: Path | None = None,
    threads: int = 1,
    on_progress: OnProgress = lambda _stage, _done, _total: None,
) -> dict[str, Any]:
    """Explain one segment of a clip, the agreement over all of them, and a population.

    Args:
        source: A video, or the ``report.json`` of an earlier analysis.
        checkpoint_file: A BPTubeFormer.
        folder: TensorBoard run and pictures.
        settings: Of the analysis of a video.
        clip: The video of a report whose own path does not lead to it.
        person: Whose segment; by default the person whose answer is the surest among the most notable.
        at_s: The segment nearest to this time; by default the surest.
        trajectories: Folder in HR-Crime's layout, for the population.
        threads: For the networks.
        on_progress: Told of progress by stage.

    Returns:
        `segment`, `agreement`, `pictures`, and `population` where trajectories were given.

    Raises:
        CheckpointError: If the checkpoint is no BPTubeFormer.
        StructureError: If the clip has no segment to explain, or not of that person.
        VideoError: If the clip cannot be read.
        DatasetError: If the trajectories cannot be read.
    """
    checkpoint, network = load_explainable(checkpoint_file)
    cut = TubeletSettings.from_mapping(checkpoint.tubelet_settings)
    followed = follow_clip(source, settings, clip=clip, on_progress=on_progress)
    tubelets = [tubelet for track in followed.tracks for tubelet in make_tubelets(track, cut)]
    if not tubelets:
        raise StructureError(
            f"{source}: {len(followed.tracks)} people, none seen long enough for a segment of {cut.frames} frames; "
            "name a clip in which somebody is in view for longer"
        )
    kept = [tubelets[at] for at in _spread(len(tubelets), MOST_SEGMENTS)]
    explained = explain_segments(checkpoint, network, kept, threads=threads, on_progress=on_progress)
    chosen = _choose(explained, person=person, at_s=at_s, source=source)
    agreed = agreement([one.correlation for one in explained], [one.tubelet.track_id for one in explained])
    with Gallery(folder) as gallery:
        _draw_segment(
            gallery,
            chosen,
            followed,
            frame_rate_hz=cut.frame_rate_hz,
            spans=tubelet_frames(network.config),
            agreed=agreed,
        )
        result: dict[str, Any] = {
            "segment": _describe(chosen),
            "agreement": {
                "rank_correlation": agreed.correlation,
                "interval": agreed.interval,
                "segments": agreed.segments,
                "people": agreed.groups,
            },
        }
        if trajectories is not None:
            on_progress("population", 0, None)
            population = read_population(checkpoint, network, trajectories)
            result["population"] = _draw_population(gallery, population, trajectories.name)
        result["pictures"] = [str(path) for path in gallery.files]
    return result


def read_population(
    checkpoint: RecognizerCheckpoint,
    network: BPTubeFormer,
    trajectories: Path,
    *,
    frame_rate_hz: float = HR_CRIME_FRAME_RATE_HZ,
    seed: int = 0,
) -> Population:
    """The segments of a folder in HR-Crime's layout, at most `MOST_POINTS` of them.

    Raises:
        DatasetError: If the folder cannot be read, has a class that the checkpoint does not know, or too little.
    """
    videos = cut_videos(
        read_hr_crime(trajectories, frame_rate_hz=frame_rate_hz),
        TubeletSettings.from_mapping(checkpoint.tubelet_settings),
    )
    known = {name: row for row, name in enumerate(checkpoint.classes)}
    strange = sorted({video.category for video in videos} - set(known))
    if strange:
        raise CheckpointError(
            f"{checkpoint.path}: knows {', '.join(known)}, not {', '.join(strange)} of {trajectories}; name a checkpoint "
            "that was trained on these classes"
        )
    found = [
        (tubelet, known[video.category], f"{video.video} #{tubelet.track_id} {tubelet.start_s:.1f} s")
        for video in videos
        for tubelet in video.tubelets
    ]
    drawn = np.sort(np.random.default_rng(seed).permutation(len(found))[:MOST_POINTS])
    found = [found[at] for at in drawn]
    if not found:
        return Population(
            np.empty((0, 1), np.float32), np.empty(0, np.int64), np.empty(0, np.int64), checkpoint.classes, ()
        )
    embeddings, answers = embed(network, [tubelet.grids for tubelet, _, _ in found])
    truth = np.array([label for _, label, _ in found], np.int64)
    return Population(embeddings, truth, answers, checkpoint.classes, tuple(name for *_, name in found))


def _draw_segment(
    gallery: Gallery,
    chosen: ExplainedSegment,
    followed: FollowedClip,
    *,
    frame_rate_hz: float | None,
    spans: Sequence[tuple[int, int]],
    agreed: Agreement,
) -> None:
    tubelet, label = chosen.tubelet, chosen.score.label
    subject = f"person {tubelet.track_id}, {tubelet.start_s:.1f} to {tubelet.end_s:.1f} s, {label} {chosen.score.score:.0%}"
    track = next(track for track in followed.tracks if track.track_id == tubelet.track_id)
    frames = posed_frames(followed, track, frame_times(tubelet, frame_rate_hz), spans)
    weights = chosen.attention.part_weights()
    gallery.add("segment/overview", overview_figure(frames, chosen.attention, spans, subject=subject))
    gallery.add("segment/body_parts", body_part_attention_figure(chosen.attention, subject=subject))
    for part, body_part in enumerate(BODY_PARTS):
        figure = tubelet_attention_figure(chosen.attention, part, spans, subject=subject)
        gallery.add(f"segment/tubelets_{body_part.name}", figure)
    gallery.add(
        "segment/skeletons", skeleton_figure(frames, weights, chosen.drops, subject=subject, label=label)
    )
    words = _agreement_words(chosen.correlation, agreed)
    figure = relevance_figure(
        chosen.relevance, chosen.drops, spans, subject=subject, label=label, verdict=words
    )
    gallery.add("segment/relevance", figure)
    gallery.add_text("segment/agreement", words)


def _draw_population(gallery: Gallery, population: Population, name: str) -> dict[str, Any]:
    subject = f"{name}, {len(population.truth)} segments"
    widths = silhouettes(population)
    places = neighbours_map(population)
    gallery.add("population/tsne", neighbours_figure(population, places, subject=subject))
    gallery.add("population/silhouettes", silhouette_figure(population, widths, subject=subject))
    gallery.add("population/confusion", confusion_figure(population, subject=subject))
    columns = ("truth", "answer", "segment")
    rows = [
        (population.classes[truth], population.classes[answer], segment)
        for truth, answer, segment in zip(population.truth, population.answers, population.names, strict=True)
    ]
    gallery.add_embedding("class_token", population.embeddings, columns, rows)
    return {
        "segments": len(rows),
        "silhouette": float(widths.mean()),
        "accuracy": float((population.truth == population.answers).mean()),
    }


def _choose(
    explained: Sequence[ExplainedSegment], *, person: int | None, at_s: float | None, source: Path
) -> ExplainedSegment:
    """The segment that was asked for, or the surest of a class other than ``Normal`` where there is one."""
    mine = [one for one in explained if person in (None, one.tubelet.track_id)]
    if not mine:
        people = ", ".join(str(one) for one in sorted({one.tubelet.track_id for one in explained}))
        raise StructureError(f"{source}: person {person} has no segment; people {people} have")
    if at_s is not None:
        return min(mine, key=lambda one: abs((one.tubelet.start_s + one.tubelet.end_s) / 2 - at_s))
    notable = [one for one in mine if one.score.label.lower() != "normal"]
    return max(notable or mine, key=lambda one: one.score.score)


def _spread(count: int, most: int) -> list[int]:
    return sorted(set(np.linspace(0, count - 1, min(count, most)).round().astype(int).tolist()))


def _describe(chosen: ExplainedSegment) -> dict[str, Any]:
    weights = chosen.attention.part_weights()
    return {
        "track_id": chosen.tubelet.track_id,
        "start_s": chosen.tubelet.start_s,
        "end_s": chosen.tubelet.end_s,
        "label": chosen.score.label,
        "score": chosen.score.score,
        "part_attention": {part.name: float(w) for part, w in zip(BODY_PARTS, weights, strict=True)},
        "rank_correlation": chosen.correlation,
    }


def _agreement_words(correlation: float | None, agreed: Agreement) -> str:
    if correlation is None or agreed.correlation is None:
        return "Nothing to compare: hiding tubelets changes nothing here."
    words = f"Right: their rank correlation is {correlation:+.2f} here"
    words += (
        f" and {agreed.correlation:+.2f} on average over {agreed.segments} segments of {agreed.groups} people"
    )
    if agreed.interval is not None:
        words += f" (95 % {agreed.interval[0]:+.2f} to {agreed.interval[1]:+.2f})"
    return words + "; 1 would be the same order, 0 none in common. Attention alone is no proof of a cause."
