"""`activity verify`: whether an evidence bundle is untouched."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from activity.cli.console import print_json, stderr

if TYPE_CHECKING:
    from activity.service.evidence.manifest import Manifest


def verify(
    bundle: Annotated[Path, typer.Argument(help="The bundle, as the service exported it.")],
    sha256: Annotated[
        str | None,
        typer.Option(
            help="SHA-256 that the whole file must have, from the service's log or the first receiver.",
            show_default=False,
        ),
    ] = None,
    anchor: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SEQUENCE:HASH",
            help="An entry of the audit log that was noted elsewhere; may be given more than once.",
            show_default=False,
        ),
    ] = None,
    public_key: Annotated[
        str | None,
        typer.Option(
            metavar="KEY",
            help="Ed25519 key that must have signed it: 64 hexadecimal digits as the service prints them, or a PEM file.",
            show_default=False,
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Prove that an evidence bundle is as it was exported, or name the first thing that is not.

    Checks every byte of the file, the SHA-256 of every member, the manifest's own, and each link of the audit log.
    Nothing is unpacked, and neither network nor service is needed. What a chain of hashes cannot prove by itself, that
    nobody made up the whole bundle, --public-key proves by the service's signature, and --sha256 and --anchor with
    hashes that were noted elsewhere.

    Exit code: 0 untouched, 1 changed, unsigned or signed by another where --public-key was given.

    Example:

    activity verify incident-0193a5c1f2de8f0a4c1b7e6d5a493827.zip --public-key service.pem
    """
    from activity.service.evidence import verify_bundle  # noqa: PLC0415 - the other commands need no pydantic models
    from activity.service.evidence.signing import parse_public_key  # noqa: PLC0415
    from activity.service.evidence.verification import report  # noqa: PLC0415

    if sha256 is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise typer.BadParameter("expected 64 hexadecimal digits", param_hint="--sha256")
    found = verify_bundle(
        bundle,
        sha256=sha256,
        anchors=dict(_anchor(text) for text in anchor or ()),
        public_key=None if public_key is None else parse_public_key(public_key),
    )
    if json:
        print_json(report(bundle, found))
    else:
        if found.manifest is not None:
            table = Table(box=None, pad_edge=False, title=f"incident {found.manifest.incident.get('id')}")
            for heading in ("member", "bytes", "SHA-256"):
                table.add_column(heading)
            for member in found.manifest.members:
                table.add_row(member.name, f"{member.size_bytes:,}", member.sha256)
            stderr.print(table)
            for missing in found.manifest.missing:
                stderr.print(f"not in the bundle: {missing.name}: {missing.reason}", highlight=False)
        if found.manifest is not None:
            stderr.print(
                _signed(found.manifest, expected=public_key is not None), soft_wrap=True, highlight=False
            )
        if found.broken is None:
            stderr.print(
                f"[bold green]untouched[/]: every byte and {found.audit_entries} entries of the log; "
                f"SHA-256 of the file {found.sha256}",
                highlight=False,
                soft_wrap=True,
            )
        else:
            stderr.print(
                f"[bold red]changed[/]: {found.broken.part} {found.broken.name}: {found.broken.found}",
                highlight=False,
                soft_wrap=True,
            )
    if not found.valid:
        raise typer.Exit(1)


def _signed(manifest: Manifest, *, expected: bool) -> str:
    if manifest.signature is None:
        return "not signed"
    doubt = "" if expected else ", which only --public-key compares with a key that you know"
    return f"names the signing key {manifest.signature.public_key}{doubt}"


def _anchor(text: str) -> tuple[int, str]:
    match = re.fullmatch(r"([1-9]\d{0,17}):([0-9a-fA-F]{64})", text)
    if match is None:
        raise typer.BadParameter(
            f"expected SEQUENCE:HASH with 64 hexadecimal digits, got {text!r}", param_hint="--anchor"
        )
    return int(match.group(1)), match.group(2).lower()
