"""Write labels as keywords into XMP sidecars, where photo programs find them. Pictures themselves are never changed.

Needs the extra `xmp`. The keywords are those of Dublin Core (`dc:subject`), which every program reads, and those of
Lightroom with their parents (`lr:hierarchicalSubject`), which darktable and digiKam read, too. The sidecar of
`cat.jpg` is `cat.jpg.xmp`, as darktable and digiKam name it: `cat.xmp` would belong to `cat.raw` as well. If only
`cat.xmp` is there, as Lightroom names it, that one is used.

XMP specification, part 1: ISO 16684-1.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from lxml import etree

from reranker.core.errors import SidecarUnreadable
from reranker.core.text import is_visible
from reranker.storage.atomic_write import write_atomically
from reranker.vocabulary.labels import Label, LabelLanguage, Vocabulary

RDF: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
DC: Final = "http://purl.org/dc/elements/1.1/"
LR: Final = "http://ns.adobe.com/lightroom/1.0/"
META: Final = "adobe:ns:meta/"
SEPARATOR: Final = "|"  # between a label and its parents
MAX_BYTES: Final = 10_000_000  # of a sidecar
_EMPTY: Final = (
    f'<x:xmpmeta xmlns:x="{META}"><rdf:RDF xmlns:rdf="{RDF}"><rdf:Description rdf:about=""/></rdf:RDF></x:xmpmeta>'
)
# Nothing outside the file is read, and entities are not expanded.
_PARSER_OPTIONS: Final = {"resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": False}


def sidecar_of(picture: Path) -> Path:
    """Return the path of the sidecar of a picture, which need not exist."""
    own, shared = picture.with_name(f"{picture.name}.xmp"), picture.with_suffix(".xmp")
    return shared if shared.exists() and not own.exists() else own


def write_keywords(
    picture: Path, labels: Sequence[Label], vocabulary: Vocabulary, language: LabelLanguage = "en"
) -> Path | None:
    """Add labels to the keywords in the sidecar of a picture; what else is in it stays.

    language: of the keywords; "both" writes each name. Returns the path of the sidecar; None if it has all keywords.
    Raises `SidecarUnreadable` if there is a sidecar that is no XMP, and `OSError`.
    """
    file = sidecar_of(picture)
    root = _read(file)
    rdf = root if root.tag == f"{{{RDF}}}RDF" else root.find(f".//{{{RDF}}}RDF")
    if rdf is None:
        raise SidecarUnreadable(name=file.name)
    names = [name for label in labels for name in _names(label, language)]
    chains = [chain for label in labels for chain in _chains(label, vocabulary, language)]
    added = _add(rdf, f"{{{DC}}}subject", {"dc": DC}, names)
    added += _add(rdf, f"{{{LR}}}hierarchicalSubject", {"lr": LR}, chains)
    if not added:
        return None
    write_atomically(etree.tostring(root.getroottree(), encoding="utf-8", xml_declaration=False), file)
    return file


def _read(file: Path) -> etree._Element:
    """Return the root of a sidecar, or that of a new one."""
    parser = etree.XMLParser(**_PARSER_OPTIONS)
    if not file.exists():
        return etree.fromstring(_EMPTY, parser)
    if file.stat().st_size > MAX_BYTES:
        raise SidecarUnreadable(name=file.name)
    try:
        root = etree.fromstring(file.read_bytes(), parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise SidecarUnreadable(name=file.name) from error
    if root is None or root.getroottree().docinfo.doctype:
        raise SidecarUnreadable(name=file.name)
    return root


def _add(rdf: etree._Element, tag: str, namespace: dict[str, str], texts: Iterable[str]) -> int:
    """Add what is missing to a list of texts. Returns how many were added. A text in another case is the same."""
    element = rdf.find(f"{{{RDF}}}Description/{tag}")
    known = set() if element is None else {(item.text or "").casefold() for item in element.iter(f"{{{RDF}}}li")}
    missing: dict[str, str] = {}
    for text in texts:
        if text and text.casefold() not in known:
            missing.setdefault(text.casefold(), text)
    if not missing:
        return 0
    if element is None:
        element = etree.SubElement(_description(rdf), tag, nsmap=namespace)
    items = next(element.iterchildren(etree.Element), None)
    if items is None:
        items = etree.SubElement(element, f"{{{RDF}}}Bag")
    for text in missing.values():
        etree.SubElement(items, f"{{{RDF}}}li").text = text
    return len(missing)


def _description(rdf: etree._Element) -> etree._Element:
    """Return the first description of the picture; a new one if there is none."""
    found = rdf.find(f"{{{RDF}}}Description")
    return etree.SubElement(rdf, f"{{{RDF}}}Description", {f"{{{RDF}}}about": ""}) if found is None else found


def _names(label: Label, language: LabelLanguage) -> list[str]:
    names = label.name.all if language == "both" else (label.name.written(language),)
    return [_keyword(name) for name in names]


def _chains(label: Label, vocabulary: Vocabulary, language: LabelLanguage) -> list[str]:
    """Return a label after its parents, from the most general one; a label without parents alone."""
    chain = [*reversed(vocabulary.ancestors(label)), label]
    languages: tuple[LabelLanguage, ...] = ("en", "zh") if language == "both" else (language,)
    return [
        SEPARATOR.join(_keyword(each.name.written(one)).replace(SEPARATOR, "/") for each in chain) for one in languages
    ]


def _keyword(text: str) -> str:
    """Return a text without the characters that XML does not allow."""
    kept = (character if character == " " or is_visible(character) else "" for character in text)
    return "".join(character for character in kept if not ("\ud800" <= character <= "\udfff")).strip()
