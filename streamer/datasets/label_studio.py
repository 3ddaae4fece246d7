"""Label Studio: ``tasks.json`` with rectangles of a video, and the settings of a project that shows them."""

from __future__ import annotations

import json
from collections import Counter
from xml.sax.saxutils import quoteattr

from streamer.datasets.constant_rate_video import even_size
from streamer.datasets.dataset import VIDEO, DatasetInfo
from streamer.datasets.stored_frame import StoredFrame
from streamer.datasets.waiting_shapes import TrackKey, TrackKeys, WaitingShapes


class LabelStudioDataset:
    """Implements ``Dataset``: a region for each track, with a rectangle in each of its frames, which are counted from 1.

    Its editor tells frames by their time at the rate that the project says: they are those of a copy at a constant rate. Each
    class of a track is a region of its own, as a region has one label.
    """

    def __init__(self, info: DatasetInfo) -> None:
        self.lost: Counter[str] = Counter()
        self._info = info
        self._width, self._height = even_size((info.width, info.height))
        self._shapes = WaitingShapes[TrackKey](info.folder)
        self._scores: dict[TrackKey, tuple[float, int]] = {}
        """The best score of a region, and how many of its rectangles have it."""
        self._frames = 0
        self._keys = TrackKeys()

    def add(self, frame: StoredFrame) -> None:
        """Keep the rectangles of a frame."""
        alone = self._keys.alone
        for one, key in self._keys.of(frame.objects):
            if one.mask is not None:
                self.lost["without their mask"] += 1
            left, top, right, bottom = one.box_xyxy
            percent = (left / self._width, top / self._height, (right - left) / self._width, (bottom - top) / self._height)
            values = dict(zip(("x", "y", "width", "height"), (round(100 * share, 6) for share in percent), strict=True))
            self._shapes.add(key, self._frames, json.dumps({**values, "rotation": 0}))
            best, having = self._scores.get(key, (one.score, 0))
            if one.score >= best:
                self._scores[key] = one.score, having + 1 if one.score == best else 1
        if self._keys.alone > alone:
            self.lost["a region of one frame each, since they have no track of their own"] += self._keys.alone - alone
        self._frames += 1

    def finish(self) -> None:
        """Write both files."""
        info = self._info
        with (info.folder / "tasks.json").open("x", encoding="utf-8") as file:
            data = {"video": f"/data/local-files/?d={VIDEO}", "source": info.source}
            file.write('[{"data":' + json.dumps(data) + ',"predictions":[{"model_version":"streamer","result":[')
            for number, key in enumerate(self._shapes):
                file.write((",\n" if number else "\n") + self._head(key)[:-1] + ',"value":{"sequence":[')
                frames = self._shapes.frames(key)
                for place, (frame, shape) in enumerate(self._shapes.of(key)):
                    goes_on = place + 1 < len(frames) and frames[place + 1] == frame + 1
                    at = {"frame": frame + 1, "time": round(float(frame / info.copy_rate), 6), "enabled": goes_on}
                    file.write(("," if place else "") + json.dumps({**at, **json.loads(shape)}))
                last = {"framesCount": self._frames, "duration": round(float(self._frames / info.copy_rate), 6)}
                file.write('],"labels":' + json.dumps([info.labels[key[0]]]) + "," + json.dumps(last)[1:-1] + "}}")
            file.write("]}]}]\n")
        labels = "".join(f"<Label value={quoteattr(name)}/>" for _, name in sorted(info.labels.items()))
        (info.folder / "label_config.xml").write_text(
            f'<View><Labels name="label" toName="video" allowEmpty="true">{labels}</Labels>'
            f'<Video name="video" value="$video" framerate="{float(info.copy_rate):.6f}"/>'
            '<VideoRectangle name="box" toName="video"/></View>\n',
            encoding="utf-8",
        )
        if other := sum(len(self._shapes.frames(key)) - having for key, (_, having) in self._scores.items()):
            self.lost["without their own score: a region has its best one"] = other
        self._shapes.remove()

    def close(self) -> None:
        """Close the file of rectangles."""
        self._shapes.close()

    def _head(self, key: TrackKey) -> str:
        class_id, track, number = key
        name = f"untracked{number}" if number else f"track{track}-class{class_id}"
        made = {"id": name, "type": "videorectangle", "from_name": "box", "to_name": "video", "score": self._scores[key][0]}
        return json.dumps({**made, "meta": {} if track is None else {"track_id": track}})
