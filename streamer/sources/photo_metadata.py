"""What a photo's file tells beside the picture: EXIF, XMP and ICC profile, as bytes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np

from streamer.sources.exif import without_preview

_STARTS = (b"\xff\xd8\xff", b"\x89PNG", b"RIFF")
_XMP_IN_JPEG = b"http://ns.adobe.com/xap/1.0/\0"
_XMP_ORIENTATION = re.compile(rb"(tiff:Orientation\s*(?:=\s*[\"']|>)\s*)[1-8]")
_XMP_PREVIEW = re.compile(rb"(?<=<xmpGImg:image>).*?(?=</xmpGImg:image>)|(?<=xmpGImg:image=\").*?(?=\")", re.DOTALL)
# Decoding is not wanted, and cannot be left out: an eighth of the size, and without colours, is the least.
_SMALLEST = cv2.IMREAD_REDUCED_GRAYSCALE_8 | cv2.IMREAD_IGNORE_ORIENTATION


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoMetadata:
    """Empty where the file tells nothing."""

    exif: bytes = b""
    """A TIFF file without pictures: camera, date, place."""
    xmp: bytes = b""
    """XML."""
    icc: bytes = b""
    """What the colours mean."""

    def of_a_drawn_picture(self) -> tuple[PhotoMetadata, list[str]]:
        """What is true of an upright RGB copy that was drawn on, and a sentence for each thing that is not.

        The preview in EXIF and XMP data shows the picture before: whatever was covered in the copy can be seen in it.
        """
        xmp = _XMP_ORIENTATION.sub(rb"\g<1>1", _XMP_PREVIEW.sub(b"", self.xmp))
        kept = replace(self, exif=without_preview(self.exif), xmp=xmp)
        if self.icc and self.icc[16:20] != b"RGB ":
            return replace(kept, icc=b""), ["the ICC profile is left out: it is for other colours than RGB"]
        return kept, []


def photo_metadata(photo: bytes) -> PhotoMetadata:
    """The metadata of a JPEG, PNG or WebP file; nothing where it has none, or cannot be read."""
    if not photo.startswith(_STARTS):
        return PhotoMetadata()
    try:
        _, kinds, parts = cv2.imdecodeWithMetadata(np.frombuffer(photo, np.uint8), flags=_SMALLEST)
    except cv2.error:
        # No picture for OpenCV; FFmpeg may know better.
        return PhotoMetadata()
    found = {int(kind): bytes(np.asarray(part, np.uint8).ravel()) for kind, part in zip(kinds, parts, strict=True)}
    return PhotoMetadata(
        exif=found.get(cv2.IMAGE_METADATA_EXIF, b"").removeprefix(b"Exif\0\0"),
        xmp=found.get(cv2.IMAGE_METADATA_XMP, b"").removeprefix(_XMP_IN_JPEG).rstrip(b"\0"),
        icc=found.get(cv2.IMAGE_METADATA_ICCP, b""),
    )


def encoded_with_metadata(
    bgr: np.ndarray, suffix: str, parameters: tuple[int, ...], metadata: PhotoMetadata
) -> tuple[bytes, list[str]]:
    """``bgr``, uint8 (height, width, 3), as the file of a picture with its metadata, and a sentence for what did not go in.

    Raises ``cv2.error`` where the picture itself cannot be encoded.
    """
    xmp = metadata.xmp
    if xmp and suffix in (".jpg", ".jpeg"):
        xmp = _XMP_IN_JPEG + xmp
    elif xmp and suffix == ".png":
        # OpenCV hands it to libpng as a text that ends with a zero, and adds none.
        xmp += b"\0"
    parts = {
        "EXIF data": (cv2.IMAGE_METADATA_EXIF, metadata.exif),
        "XMP data": (cv2.IMAGE_METADATA_XMP, xmp),
        "the ICC profile": (cv2.IMAGE_METADATA_ICCP, metadata.icc),
    }
    parts = {name: part for name, part in parts.items() if part[1]}
    for names in _fewer_and_fewer([*parts]):
        chosen = [parts[name] for name in names]
        try:
            encoded = _encoded(bgr, suffix, parameters, chosen)
        except cv2.error:
            if not names:
                raise
            continue
        lost = [name for name in parts if name not in names]
        return encoded, [f"{name} cannot be written into {suffix[1:].upper()} and is left out" for name in lost]
    raise AssertionError("the last try is without any metadata")


def _encoded(bgr: np.ndarray, suffix: str, parameters: tuple[int, ...], parts: list[tuple[int, bytes]]) -> bytes:
    if not parts:
        return bytes(cv2.imencode(suffix, bgr, parameters)[1])
    kinds = [kind for kind, _ in parts]
    data = [np.frombuffer(part, np.uint8) for _, part in parts]
    done, encoded = cv2.imencodeWithMetadata(suffix, bgr, kinds, data, parameters)
    if not done:
        raise cv2.error(f"{suffix} refuses the metadata")
    return bytes(encoded)


def _fewer_and_fewer(names: list[str]) -> Iterator[list[str]]:
    """All of them, all but one, and none."""
    yield names
    for left_out in reversed(names):
        if len(names) > 1:
            yield [name for name in names if name != left_out]
    if names:
        yield []
