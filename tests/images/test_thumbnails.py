"""Thumbnails are small JPEGs; a picture that cannot be read has none."""

import base64
from io import BytesIO

import pytest
from PIL import Image

from reranker.core.errors import PictureUnreadable
from reranker.core.types import Candidate
from reranker.images.limits import Limits
from reranker.images.thumbnails import make_placeholder, make_thumbnail, thumbnail_data_uris


def png(width: int, height: int) -> bytes:
    file = BytesIO()
    Image.new("RGB", (width, height), "red").save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(("size", "shown"), [((1000, 500), (100, 50)), ((30, 40), (30, 40)), ((100, 100), (100, 100))])
def test_the_longer_side_is_limited_and_never_enlarged(size, shown):
    thumbnail = make_thumbnail(Candidate(name="a", source=png(*size)), Limits(), max_px=100, quality=80)
    with Image.open(BytesIO(thumbnail)) as image:
        assert (image.format, image.size) == ("JPEG", shown)


def test_a_broken_picture_raises_its_error():
    with pytest.raises(PictureUnreadable):
        make_thumbnail(Candidate(name="a", source=b"broken"), Limits(), max_px=100, quality=80)


def test_data_uris_have_the_order_of_the_pictures_and_none_for_broken_ones():
    sources = [png(20, 10), b"broken", png(10, 20)]
    first, broken, last = thumbnail_data_uris([Candidate(name="a", source=data) for data in sources], Limits(), 10)
    assert broken is None
    sizes = []
    for uri in (first, last):
        header, _, data = str(uri).partition(",")
        assert header == "data:image/jpeg;base64"
        with Image.open(BytesIO(base64.b64decode(data))) as image:
            sizes.append(image.size)
    assert sizes == [(10, 5), (5, 10)]


def test_the_placeholder_is_a_jpeg():
    with Image.open(BytesIO(make_placeholder(quality=85))) as image:
        assert image.format == "JPEG"
