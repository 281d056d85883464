"""Keywords in XMP sidecars, read back by exiftool; what else is in a sidecar stays."""

import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reranker.core.errors import SidecarUnreadable
from reranker.core.text import is_blank
from reranker.export.xmp import sidecar_of, write_keywords
from reranker.vocabulary.label_files import load_vocabulary
from reranker.vocabulary.labels import Label, Name, Vocabulary

WORDS = Vocabulary(
    name="words",
    labels=(
        Label(name=Name(en="animal", zh="动物")),
        Label(name=Name(en="dog", zh="狗"), parent="animal"),
        Label(name=Name(en="golden retriever", zh="金毛犬"), parent="dog"),
        Label(name=Name(en="black|white", zh="黑白")),
    ),
)
ANIMAL, DOG, GOLDEN, PIPE = WORDS.labels

DARKTABLE = """<?xml version="1.0" encoding="UTF-8"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 4.4.0-Exiv2">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:darktable="http://darktable.sf.net/"
    xmlns:dc="http://purl.org/dc/elements/1.1/"
   xmp:Rating="4"
   darktable:history_end="3">
   <dc:subject>
    <rdf:Seq>
     <rdf:li>Dog</rdf:li>
     <rdf:li>beach</rdf:li>
    </rdf:Seq>
   </dc:subject>
   <darktable:history>
    <rdf:Seq>
     <rdf:li darktable:num="0" darktable:operation="exposure" darktable:params="gz04eJxjYGBg"/>
    </rdf:Seq>
   </darktable:history>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
"""
LIGHTROOM = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about="" xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/" crs:Exposure2012="+0.35"/>
  <rdf:Description rdf:about="" xmlns:lr="http://ns.adobe.com/lightroom/1.0/">
   <lr:hierarchicalSubject><rdf:Bag><rdf:li>places|sea</rdf:li></rdf:Bag></lr:hierarchicalSubject>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>
"""


def read(file: Path) -> dict[str, object]:
    """Read a sidecar with exiftool."""
    command = ["exiftool", "-j", "-struct", "-charset", "utf8", str(file)]
    (found,) = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return found


def texts(value: object) -> list[str]:
    """Return a list of exiftool, which shows one item without a list, and numbers as numbers."""
    return [str(each) for each in (value if isinstance(value, list) else [value])]


def test_a_new_sidecar_has_keywords_and_hierarchies(tmp_path: Path) -> None:
    file = write_keywords(tmp_path / "a.jpg", [GOLDEN, DOG], WORDS)
    assert file == tmp_path / "a.jpg.xmp"
    found = read(file)
    assert found["Subject"] == ["golden retriever", "dog"]
    assert found["HierarchicalSubject"] == ["animal|dog|golden retriever", "animal|dog"]


@pytest.mark.parametrize(
    ("language", "keywords", "chain"),
    [
        ("zh", ["金毛犬"], ["动物|狗|金毛犬"]),
        ("both", ["golden retriever", "金毛犬"], ["animal|dog|golden retriever", "动物|狗|金毛犬"]),
    ],
)
def test_keywords_are_in_the_language(tmp_path: Path, language, keywords: list[str], chain: list[str]) -> None:
    found = read(write_keywords(tmp_path / "a.jpg", [GOLDEN], WORDS, language))
    assert texts(found["Subject"]) == keywords
    assert texts(found["HierarchicalSubject"]) == chain


def test_the_separator_in_a_name_is_no_level(tmp_path: Path) -> None:
    found = read(write_keywords(tmp_path / "a.jpg", [PIPE], WORDS))
    assert (texts(found["Subject"]), texts(found["HierarchicalSubject"])) == (["black|white"], ["black/white"])


def test_a_sidecar_of_darktable_keeps_all_that_it_has(tmp_path: Path) -> None:
    file = tmp_path / "a.jpg.xmp"
    file.write_text(DARKTABLE, encoding="utf-8")
    assert write_keywords(tmp_path / "a.jpg", [DOG, GOLDEN], WORDS) == file
    found = read(file)
    assert found["Subject"] == ["Dog", "beach", "golden retriever"]  # "dog" is there already
    assert found["Rating"] == 4
    assert 'darktable:params="gz04eJxjYGBg"' in file.read_text(encoding="utf-8")


def test_a_sidecar_of_lightroom_is_found_by_its_name_and_keeps_its_parts(tmp_path: Path) -> None:
    file = tmp_path / "a.xmp"
    file.write_text(LIGHTROOM, encoding="utf-8")
    assert write_keywords(tmp_path / "a.jpg", [DOG], WORDS) == file
    assert not (tmp_path / "a.jpg.xmp").exists()
    found = read(file)
    assert found["HierarchicalSubject"] == ["places|sea", "animal|dog"]
    assert (texts(found["Subject"]), found["Exposure2012"]) == (["dog"], "+0.35")
    content = file.read_text(encoding="utf-8")
    assert content.startswith("<?xpacket begin")
    assert content.rstrip().endswith('<?xpacket end="w"?>')


def test_the_sidecar_with_the_whole_name_goes_first(tmp_path: Path) -> None:
    for name in ("a.xmp", "a.jpg.xmp"):
        (tmp_path / name).write_text(LIGHTROOM, encoding="utf-8")
    assert sidecar_of(tmp_path / "a.jpg") == tmp_path / "a.jpg.xmp"
    assert sidecar_of(tmp_path / "b.jpg") == tmp_path / "b.jpg.xmp"


@pytest.mark.parametrize("content", ["", DARKTABLE, LIGHTROOM])
def test_a_second_time_changes_nothing(tmp_path: Path, content: str) -> None:
    if content:
        (tmp_path / "a.jpg.xmp").write_text(content, encoding="utf-8")
    file = write_keywords(tmp_path / "a.jpg", [DOG, GOLDEN], WORDS, "both")
    before = file.read_bytes(), file.stat().st_mtime_ns, file.stat().st_ino
    assert write_keywords(tmp_path / "a.jpg", [GOLDEN, DOG], WORDS, "both") is None
    assert (file.read_bytes(), file.stat().st_mtime_ns, file.stat().st_ino) == before


def test_the_picture_is_not_touched(tmp_path: Path) -> None:
    picture = tmp_path / "a.jpg"
    picture.write_bytes(b"picture")
    before = picture.stat()
    write_keywords(picture, [DOG], WORDS)
    assert (picture.read_bytes(), picture.stat().st_mtime_ns) == (b"picture", before.st_mtime_ns)


BOMB = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10 if n else "x" * 50}">' for n in range(12))
SECRET = "the content of another file"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no xml",
        DARKTABLE.encode()[:-40],
        b"<html></html>",
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>',
        b"\xff\xfe\x00",
        f"<!DOCTYPE x [{BOMB}]><x>&a11;</x>".encode(),
        b'<!DOCTYPE x [<!ENTITY s SYSTEM "file://SECRET">]><x>&s;</x>',
        b"<a>" * 5000 + b"</a>" * 5000,
    ],
)
def test_what_is_no_xmp_is_refused_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "secret").write_text(SECRET)
    content = content.replace(b"SECRET", str(tmp_path / "secret").encode())
    file = tmp_path / "a.jpg.xmp"
    file.write_bytes(content)
    with pytest.raises(SidecarUnreadable) as raised:
        write_keywords(tmp_path / "a.jpg", [DOG], WORDS)
    assert raised.value.name == "a.jpg.xmp"
    assert file.read_bytes() == content


def test_a_document_type_with_entities_is_refused_even_around_xmp(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET)
    entity = f'<!DOCTYPE x [<!ENTITY s SYSTEM "file://{tmp_path / "secret"}">]>'
    body = DARKTABLE.split("?>", 1)[1].replace("beach", "&s;")
    file = tmp_path / "a.jpg.xmp"
    file.write_text(entity + body, encoding="utf-8")
    with pytest.raises(SidecarUnreadable):
        write_keywords(tmp_path / "a.jpg", [GOLDEN], WORDS)
    assert SECRET not in file.read_text(encoding="utf-8")


NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12).filter(lambda text: not is_blank(text))


@settings(deadline=None, max_examples=25, database=None)
@given(st.lists(NAMES, min_size=1, max_size=6, unique_by=str.casefold), st.integers(0, 6))
def test_any_names_are_merged_to_their_union(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], cut: int
) -> None:
    folder = tmp_path_factory.mktemp("any")
    labels = tuple(Label(name=Name(en=name)) for name in names)
    words = Vocabulary(name="any", labels=labels)
    for part in (labels[:cut], labels[cut:], labels):
        write_keywords(folder / "a.jpg", part, words)
    again = write_keywords(folder / "a.jpg", labels, words)
    assert again is None
    found = texts(read(folder / "a.jpg.xmp")["Subject"])
    assert len(found) == len({keyword.casefold() for keyword in found})
    shown = {"".join(filter(str.isalnum, name)).casefold() for name in names}
    assert {"".join(filter(str.isalnum, keyword)).casefold() for keyword in found} == shown


def test_the_general_vocabulary_can_be_written(tmp_path: Path) -> None:
    vocabulary = load_vocabulary("general")
    labels = vocabulary.labels[:300]
    found = read(write_keywords(tmp_path / "a.jpg", labels, vocabulary, "zh"))
    assert found["Subject"] == [label.name.zh for label in labels]
