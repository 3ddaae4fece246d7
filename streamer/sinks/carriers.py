"""How a stream of the input gets into the output: its packets copied, or decoded and encoded as the container wants them."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from typing import Any, Protocol

import av.error
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.bitstream import BitStreamFilterContext
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.subtitles.codeccontext import SubtitleCodecContext
from numpy.typing import NDArray

# Sound whose time stamps differ from its count of samples by more than this has a gap, or comes twice.
_LARGEST_JITTER_S = 0.05
_SILENCE_SAMPLES = 4096
_BITS_PER_CHANNEL = 96_000
# Layouts of sound whose container tells the number of channels only, as FFmpeg and players assume them.
_USUAL_LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
_OTHER_LAYOUTS = {3: "3.0", 4: "quad", 5: "5.0(side)", 6: "5.1(side)", 7: "6.1(back)", 8: "7.1(wide)"}
_AAC_RATES = (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000)
_OPUS_RATE = 48_000
_PLANAR = "fltp"


class Carrier(Protocol):
    """Makes packets of one stream of the output from those of one stream of the input."""

    stream: Stream
    """Of the output."""

    def take(self, packet: Packet[Any]) -> Iterator[Packet[Any]]:
        """What ``packet`` becomes, if anything yet. Raises FFmpeg's errors for a damaged one."""
        ...

    def end(self) -> Iterator[Packet[Any]]:
        """What is still held back."""
        ...


class Copied:
    """Packets bit for bit."""

    def __init__(self, output: OutputContainer, template: Stream) -> None:
        self.stream: Stream = output.add_stream_from_template(template, opaque=True)
        context = template.codec_context
        if isinstance(context, AudioCodecContext) and context.layout.name not in _USUAL_LAYOUTS.values():
            layout = _USUAL_LAYOUTS.get(context.channels)
            if layout is not None and context.layout.name == f"{context.channels} channels":
                # Only the number is told: MP4 asks for more, and Matroska's PCM has no more.
                self.stream.codec_context.layout = layout  # type: ignore[attr-defined]  # it is a context of sound, as the template's
        self._filter: BitStreamFilterContext | None = None
        if template.name == "aac" and context is not None and not context.extradata and output.format.name != "mpegts":
            # From a transport stream: its headers stand in each packet, elsewhere once in the file's.
            self._filter = BitStreamFilterContext("aac_adtstoasc", template)

    def take(self, packet: Packet[Any]) -> Iterator[Packet[Any]]:
        """The packet itself, without the headers that belong to a transport stream."""
        yield from (packet,) if self._filter is None else self._filter.filter(packet)

    def end(self) -> Iterator[Packet[Any]]:
        """Nothing: each packet goes on at once."""
        return iter(())


class Sound:
    """Sound decoded and encoded anew, every sample at its time: gaps become silence, what comes twice is heard once."""

    def __init__(self, output: OutputContainer, template: Stream, encoder: str) -> None:
        """``encoder`` is ``aac`` or ``libopus``. Raises ``ValueError`` for sound that cannot be decoded."""
        decoder = template.codec_context
        if not isinstance(decoder, AudioCodecContext) or not decoder.sample_rate:
            raise ValueError(f"{template.name} cannot be decoded")
        self._decoder = decoder
        self._rate = _OPUS_RATE if encoder == "libopus" else _nearest_rate(decoder.sample_rate)
        self._layout = _layout(encoder, decoder.channels, decoder.layout.name)
        stream = output.add_stream(encoder, rate=self._rate)
        assert isinstance(stream.codec_context, AudioCodecContext)
        self._encoder = stream.codec_context
        self._encoder.layout = self._layout
        self._encoder.format = "flt" if encoder == "libopus" else "fltp"
        self._encoder.bit_rate = _BITS_PER_CHANNEL * self._encoder.channels
        stream.time_base = Fraction(1, self._rate)
        self.stream: Stream = stream
        self._resampler: AudioResampler | None = None
        self._resampled: tuple[str, str, int] | None = None
        self._next: int | None = None

    def take(self, packet: Packet[Any]) -> Iterator[Packet[Any]]:
        """What the encoder gives for this packet's sound."""
        for frame in self._decoder.decode(packet):
            if frame.pts is None and packet.pts is not None:
                frame.pts, frame.time_base = packet.pts, packet.time_base
            yield from self._encode(frame)

    def end(self) -> Iterator[Packet[Any]]:
        """What the decoder, the resampler and the encoder hold."""
        for frame in self._decoder.decode(None):
            yield from self._encode(frame)
        yield from self._resample(None)
        if self._next is not None:
            yield from self._encoder.encode(None)

    def _encode(self, frame: AudioFrame) -> Iterator[Packet[Any]]:
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if kind != self._resampled:
            # Broadcasts change from stereo to surround sound and back.
            yield from self._resample(None)
            self._resampler = AudioResampler(format=_PLANAR, layout=self._layout, rate=self._rate)
            self._resampled = kind
        yield from self._resample(frame)

    def _resample(self, frame: AudioFrame | None) -> Iterator[Packet[Any]]:
        if self._resampler is None:
            return
        for resampled in self._resampler.resample(frame):
            if resampled is not None:  # a resampler with nothing to do gives back the end that it gets
                yield from self._place(resampled)

    def _place(self, frame: AudioFrame) -> Iterator[Packet[Any]]:
        """Queue the frame at its time."""
        start = self._next or 0
        if frame.pts is not None and frame.time_base is not None:
            start = round(frame.pts * frame.time_base * self._rate)
        if self._next is None:
            self._next = start
        late = start - self._next
        if late > _LARGEST_JITTER_S * self._rate:
            while self._next < start:
                samples = min(_SILENCE_SAMPLES, start - self._next)
                yield from self._queue(self._frame(np.zeros((self._encoder.channels, samples), np.float32)))
        elif -late > _LARGEST_JITTER_S * self._rate:
            if -late >= frame.samples:
                return
            frame = self._frame(frame.to_ndarray()[:, -late:])
        yield from self._queue(frame)

    def _queue(self, frame: AudioFrame) -> Iterator[Packet[Any]]:
        assert self._next is not None
        frame.pts, frame.time_base = self._next, Fraction(1, self._rate)
        self._next += frame.samples
        yield from self._encoder.encode(frame)

    def _frame(self, values: NDArray[Any]) -> AudioFrame:
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(values), format=_PLANAR, layout=self._layout)
        frame.sample_rate = self._rate
        return frame


class Text:
    """Subtitles of text, written in another format."""

    def __init__(self, output: OutputContainer, template: Stream, encoder: str) -> None:
        """Raises ``ValueError`` for subtitles that are no text."""
        decoder = template.codec_context
        if not isinstance(decoder, SubtitleCodecContext):
            raise ValueError(f"{template.name} cannot be decoded")  # noqa: TRY004  # the stream is at fault, not its type
        decoder.open(strict=False)
        if not decoder.subtitle_header:
            raise ValueError(f"{template.name} is no text")
        self._decoder = decoder
        stream = output.add_stream(encoder)
        assert isinstance(stream.codec_context, SubtitleCodecContext)
        self._encoder = stream.codec_context
        self._encoder.subtitle_header = decoder.subtitle_header
        self._encoder.time_base = stream.time_base = Fraction(1, 1000)
        self.stream: Stream = stream

    def take(self, packet: Packet[Any]) -> Iterator[Packet[Any]]:
        """The same words in the other format."""
        found = self._decoder.decode2(packet)
        if found is None or not found.rects or packet.pts is None:
            return
        text = self._encoder.encode_subtitle(found)
        shown_ms = found.end_display_time - found.start_display_time
        duration_ms = round(packet.duration * packet.time_base * 1000) if packet.duration else shown_ms
        text.time_base = Fraction(1, 1000)
        text.pts = text.dts = round(packet.pts * packet.time_base * 1000)
        text.duration = duration_ms
        yield text

    def end(self) -> Iterator[Packet[Any]]:
        """Nothing: each packet goes on at once."""
        return iter(())


def carrier(output: OutputContainer, template: Stream, encoder: str | None) -> Carrier:
    """The way into ``output``; ``encoder=None`` copies. Raises ``ValueError`` or FFmpeg's errors where there is none."""
    if encoder is None:
        return Copied(output, template)
    return Sound(output, template, encoder) if template.type == "audio" else Text(output, template, encoder)


@cache
def _layout(encoder: str, channels: int, told: str) -> str:
    """The layout in which the encoder opens: the sound's own, another one of so many channels, or stereo."""
    for name in (told, _USUAL_LAYOUTS.get(channels), _OTHER_LAYOUTS.get(channels)):
        if name is None or name.endswith(" channels"):
            continue
        context = AudioCodecContext.create(encoder, "w")
        assert isinstance(context, AudioCodecContext)
        context.layout, context.sample_rate = name, _OPUS_RATE
        context.format = "flt" if encoder == "libopus" else _PLANAR
        try:
            context.open()
        except (av.error.FFmpegError, ValueError):
            continue
        return name
    return "stereo"


def _nearest_rate(rate: int) -> int:
    """The sample rate of AAC that loses nothing of ``rate``, or the highest."""
    return min((own for own in _AAC_RATES if own >= rate), default=_AAC_RATES[0])
