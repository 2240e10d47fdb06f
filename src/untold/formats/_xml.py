"""XML of strangers: no entities, no document types, no network, bounded size and depth."""

from __future__ import annotations

from pathlib import Path

from lxml import etree

from untold.errors import UntoldError
from untold.formats._labels import read_bytes


def parse(path: Path, what: str) -> etree._ElementTree:
    """The tree of an XML file; `what` names the kind of file in the `UntoldError` for one that cannot be trusted or read."""
    data = read_bytes(path)
    plain = data.replace(b"\0", b"")  # UTF-16 has every letter with a zero byte beside it
    if b"<!DOCTYPE" in plain or b"<!ENTITY" in plain:
        raise UntoldError(f"{path}: an {what} file has no document type and no entities; this one is refused: remove its <!DOCTYPE>")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=False)
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise UntoldError(f"{path}: damaged {what} file ({str(error)[:120]})") from None
    tree = root.getroottree()
    if tree.docinfo.internalDTD is not None or tree.docinfo.externalDTD is not None:
        raise UntoldError(f"{path}: an {what} file has no document type; this one is refused: remove its <!DOCTYPE>")
    return tree
