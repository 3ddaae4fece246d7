"""What a file of a camera's streams is made of: which container, and the parameters of each stream."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.video.stream import VideoStream

from streamer.errors import OutputRefused
from streamer.sources.live_timestamps import TIME_BASE
from streamer.sources.packets import CameraPacket, CameraStreams, EncodedStream, Kind
from streamer.sources.whole_pictures import parameter_sets

if TYPE_CHECKING:
    from av.stream import Stream

_MP4_VIDEO = frozenset({"h264", "hevc", "av1", "libdav1d", "vp9", "mjpeg", "mpeg4"})
_MP4_AUDIO = frozenset({"aac", "opus", "libopus", "mp3", "mp3float", "mp2", "ac3", "eac3", "flac"})
_MOV_AUDIO = frozenset({"pcm_alaw", "pcm_mulaw", "pcm_s16le", "pcm_s16be", "adpcm_ima_wav"})
"""Sound of telephones and old cameras: MP4 does not hold it, QuickTime's form of it does."""
_FROM_DATA = frozenset({"h264", "hevc", "mjpeg"})
"""Codecs whose key frames say everything."""


class Tracks:
    """The streams of the files that begin with one key frame, until a key frame says something else.

    Raises ``OutputRefused`` for video that no file can hold as it is.
    """

    def __init__(self, streams: CameraStreams, key: CameraPacket) -> None:
        codec = streams.video.codec
        if codec not in _MP4_VIDEO:
            raise OutputRefused(
                f"the source sends {codec}, which cannot be kept as it is", hint="record the drawn picture: --record-annotated"
            )
        self.note = ""
        """What is not kept, or nothing."""
        self._streams = streams
        self._parameters = self._said(key)
        self._open: list[InputContainer] = []
        self._video = self._video_template(key)
        self._audio: AudioStream | None = None
        sound = streams.audio
        self.suffix = ".mov" if sound is not None and sound.codec in _MOV_AUDIO else ".mp4"
        if sound is not None:
            self._audio = self._sound_template(sound)
            if self._audio is None:
                self.note = f"the sound ({sound.codec}) is not recorded: no file can hold it as it is"

    @property
    def depth(self) -> int:
        """How many pictures may be sent before one that is shown earlier."""
        return int(self._video.codec_context.has_b_frames)

    def fit(self, key: CameraPacket) -> bool:
        """Whether a file that began with these parameters can go on with this key frame."""
        said = self._said(key)
        return not said or not self._parameters or said == self._parameters

    def add_to(self, container: OutputContainer) -> dict[Kind, Stream]:
        """The streams of a file, ready for packets."""
        templates: list[tuple[Kind, Stream | None]] = [("video", self._video), ("audio", self._audio)]
        added: dict[Kind, Stream] = {}
        for kind, template in templates:
            if template is not None:
                added[kind] = stream = container.add_stream_from_template(template, opaque=True)
                stream.time_base = TIME_BASE if kind == "video" else template.time_base
        return added

    def _said(self, key: CameraPacket) -> bytes:
        """What a key frame says of its size; nothing where it says nothing."""
        codec = self._streams.video.codec
        if codec == "mjpeg":
            return _jpeg_size(key.data)
        return parameter_sets(codec, key.data) if codec in _FROM_DATA and not self._length_prefixed else b""

    @property
    def _length_prefixed(self) -> bool:
        """Whether units come with their lengths, as in RTMP, and all parameters beforehand."""
        return (self._streams.video.extradata or b"").startswith(b"\x01")

    def _video_template(self, key: CameraPacket) -> VideoStream:
        video = self._streams.video
        if video.codec in _FROM_DATA and not self._length_prefixed:
            head = (video.extradata or b"") if not self._parameters else b""
            container = self._read(head + key.data, video.codec)
        elif video.header is not None:
            container = self._read(video.header, "nut")
        else:
            raise OutputRefused(f"the source does not say enough of its {video.codec} video", hint="record the drawn picture")
        return container.streams.video[0]

    def _sound_template(self, sound: EncodedStream) -> AudioStream | None:
        if sound.header is None or sound.codec not in _MP4_AUDIO | _MOV_AUDIO:
            return None
        return self._read(sound.header, "nut").streams.audio[0]

    def _read(self, data: bytes, form: str) -> InputContainer:
        container = av.open(io.BytesIO(data), "r", format=form)
        self._open.append(container)
        return container


def _jpeg_size(data: bytes) -> bytes:
    """The bytes of a JPEG's frame header that say its size; empty if there are none."""
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        if data[at + 1] in (0xC0, 0xC1, 0xC2):
            return data[at + 5 : at + 9]
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return b""
