"""Three hundred broken clips: each ends its job with a problem that says why, or is still a video."""

from __future__ import annotations

import io
import json
import random
import struct
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final

import av
import pytest

from activity.service.jobs.child import Progress
from activity.service.jobs.steps import PipelineSteps
from activity.service.settings import LimitSettings, QueueSettings, ServiceSettings
from activity.video import VideoReader
from tests.service.jobs.conftest import ROOT, Bench

DEMO: Final = ROOT / "docs/demo/demo.mp4"
MEMORY_MIB: Final = 384


class DecodingSteps(PipelineSteps):
    """The real steps up to decoding every frame, with the networks left out; runs in the limited process."""

    def run(self, step: str, *, clip: Path, sha256: str, folder: Path, progress: Progress) -> None:
        match step:
            case "probe":
                super().run(step, clip=clip, sha256=sha256, folder=folder, progress=progress)
            case "observe":
                with VideoReader(clip, sample_rate_hz=1, max_side_px=256) as reader:
                    for _ in reader:
                        progress(0.5)
                        assert reader.frames_decoded <= self._limits.max_frames
            case "fuse":
                (folder / "fuse/alerts.json").write_text(json.dumps({"alerts": []}))


def truncated(content: bytes, chance: random.Random) -> bytes:
    """Cut off anywhere."""
    return content[: chance.randrange(1, len(content))]


def bits_flipped(content: bytes, chance: random.Random) -> bytes:
    """1 to 1000 wrong bits, anywhere."""
    mutated = bytearray(content)
    for _ in range(chance.choice((1, 10, 100, 1000))):
        mutated[chance.randrange(len(mutated))] ^= 1 << chance.randrange(8)
    return bytes(mutated)


def index_broken(content: bytes, chance: random.Random) -> bytes:
    """Wrong bytes in the index alone, where sizes, counts and offsets are."""
    begin, end = content.index(b"moov"), len(content)
    if begin < content.index(b"mdat"):
        end = content.index(b"mdat")
    mutated = bytearray(content)
    for _ in range(chance.randrange(1, 40)):
        mutated[chance.randrange(begin, end)] = chance.choice((0, 1, 0x7F, 0x80, 0xFF))
    return bytes(mutated)


def sizes_wrong(content: bytes, chance: random.Random) -> bytes:
    """The length of one box, or a count in a table, is a lie."""
    mutated = bytearray(content)
    kind = chance.choice(
        (b"moov", b"trak", b"mdia", b"stbl", b"stsz", b"stco", b"stsc", b"stts", b"mdat", b"ftyp")
    )
    place = content.index(kind)
    lie = chance.choice((0, 1, 7, 0x7FFFFFFF, 0xFFFFFFFF, chance.randrange(2**32)))
    struct.pack_into(">I", mutated, place - 4 if chance.random() < 0.5 else place + 8, lie)
    return bytes(mutated)


def dimensions_huge(content: bytes, chance: random.Random) -> bytes:
    """Pictures above the limit: by the container's word alone, or truly, a few bytes that decode to many."""
    if chance.random() < 0.5:
        return black_clip(*chance.choice(((2048, 1152), (1088, 2000), (8000, 272))))
    mutated = bytearray(content)
    place = content.index(b"avc1", content.index(b"stsd")) + 28
    struct.pack_into(">HH", mutated, place, chance.choice((16384, 65535)), chance.choice((16384, 65535)))
    return bytes(mutated)


@cache
def black_clip(width: int, height: int) -> bytes:
    """Two black pictures."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=15)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for _ in range(2):
            container.mux(stream.encode(av.VideoFrame(width, height, stream.pix_fmt)))
        container.mux(stream.encode(None))
    return file.getvalue()


def playlist(content: bytes, chance: random.Random) -> bytes:
    """A playlist that names a file of the server, or an address, under the name of a video."""
    target = chance.choice(
        (
            "file:///etc/passwd",
            "/etc/passwd",
            "http://169.254.169.254/latest/meta-data/",
            "concat:/etc/passwd",
        )
    )
    return chance.choice(
        (
            f"#EXTM3U\n#EXTINF:10,\n{target}\n#EXT-X-ENDLIST\n",
            f"ffconcat version 1.0\nfile '{target}'\n",
            f'<?xml version="1.0"?><MPD><Period><AdaptationSet><BaseURL>{target}</BaseURL></AdaptationSet></Period></MPD>',
            f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\na=control:{target}\n",
        )
    ).encode()


def shuffled(content: bytes, chance: random.Random) -> bytes:
    """Blocks of the file in another order, some of them twice."""
    size = chance.choice((512, 4096, 65536))
    blocks = [content[i : i + size] for i in range(0, len(content), size)]
    return content[:size] + b"".join(chance.choice(blocks) for _ in blocks)


MUTATIONS: Final[tuple[Callable[[bytes, random.Random], bytes], ...]] = (
    truncated,
    bits_flipped,
    index_broken,
    sizes_wrong,
    dimensions_huge,
    playlist,
    shuffled,
)


def analyse_mutations(bench: Bench, count: int) -> Counter[str]:
    """Let workers have `count` broken clips; how many ended in which way."""
    bench.settings = ServiceSettings(
        queue=QueueSettings(workers=2, attempts=2),
        limits=LimitSettings(
            job_memory_mib=MEMORY_MIB, job_time_s=120, max_frames=2000, max_frame_pixels=1920 * 1080
        ),
    )
    original, chance = DEMO.read_bytes(), random.Random(6)
    memory_before = resident_mib()
    submitted = {
        bench.submit(mutation(original, chance), real=True): mutation.__name__
        for mutation in (MUTATIONS[number % len(MUTATIONS)] for number in range(count))
    }
    with bench.worker(steps=f"{__name__}:DecodingSteps"):
        jobs = bench.wait(*submitted, timeout_s=3000)
    assert resident_mib() - memory_before < 100  # of the worker itself

    ends: Counter[str] = Counter()
    for job in jobs:
        kind = submitted[job.id]
        if job.state == "succeeded":
            ends["still a video"] += 1
            assert kind not in ("playlist", "truncated"), kind
            continue
        assert job.state == "failed", (kind, job.state)
        assert job.problem is not None
        # no clip was so bad that a process died of it or that it took more than its share
        assert job.problem["type"] in (
            "urn:activity:problem:clip-unreadable",
            "urn:activity:problem:clip-too-large",
        ), (kind, job.problem)
        assert len(job.problem["detail"]) > 10
        assert "passwd" not in job.problem["detail"]
        assert "root:" not in json.dumps(job.problem)
        ends[job.problem["detail"].split("[")[0][:60]] += 1
    return ends


def resident_mib() -> float:
    """Memory that this process holds."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_three_hundred_mutated_clips_each_end_with_a_reason_and_within_bounds(bench: Bench) -> None:
    ends = analyse_mutations(bench, 300)

    assert ends.total() == 300
    assert len(ends) > 10  # reasons differ


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_one_clip_of_each_mutation_ends_with_a_reason(bench: Bench) -> None:
    assert analyse_mutations(bench, len(MUTATIONS)).total() == len(MUTATIONS)
