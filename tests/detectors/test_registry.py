"""From a name to a detector, and a user's own class among them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from streamer.cluster.placing import absolute
from streamer.config.annotate import load_annotate_config
from streamer.detectors.check import check
from streamer.detectors.registry import check_detector, load_detector
from streamer.errors import ConfigError, DetectorContractError, DetectorUnavailable, StreamerError
from streamer.stages import Detector

MODULE = """
import numpy as np
from streamer.instances import Instances

class Bright:
    labels = {1: "lamp"}
    def detect(self, image):
        ys, xs = np.nonzero(image.min(axis=2) > 250)
        if len(xs) == 0:
            return Instances.empty()
        return Instances(boxes_xyxy=[[xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]], scores=[1.0], class_ids=[1])

class Full(Bright):
    name = "full"
    input_size = (64, 48)
    device = "an abacus"
    contract = {"image": "uint8 [48, 64, 3]"}
    calls = []
    def __init__(self, score_threshold):
        self.calls.append(("made", score_threshold))
    def warm_up(self):
        self.calls.append("warm_up")
    def close(self):
        self.calls.append("close")

class Mute:
    labels = {1: "lamp"}

class Nameless(Bright):
    labels = ["lamp"]

class Sized(Bright):
    input_size = 64

class Listing(Bright):
    def detect(self, image):
        return [(1, 2, 3, 4)]

class Array(Bright):
    def detect(self, image):
        return np.zeros((2, 5), np.float32)

class Needy(Bright):
    def __init__(self, weights):
        self.weights = weights

class Refusing(Bright):
    def __init__(self):
        raise OSError("no weights here")

made = Bright()
threshold = 0.5
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The module ``lamps`` in the current directory."""
    (tmp_path / "lamps.py").write_text(MODULE)
    (tmp_path / "broken.py").write_text("def f(:\n")
    (tmp_path / "lonely.py").write_text("import a_package_that_is_not_there\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in ("lamps", "broken", "lonely", "nanodet"):
        sys.modules.pop(name, None)


def test_nanodet_by_name_with_its_settings() -> None:
    detector = load_detector("nanodet", score_threshold=0.3, threads=1)
    assert detector.name == "nanodet"
    assert isinstance(detector, Detector)
    report = check(detector, frames=1)
    assert report.device == "CPU, 1 thread"
    assert report.labels == 80
    detector.close()


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("nandet", "no detector 'nandet'; did you mean nanodet\\?"),
        ("nanodet:larg", "no module nanodet; did you mean nanodet:large\\? a module is looked for in"),
        ("nanodet-large", "did you mean nanodet:large\\?"),
        ("mask_rcnn", "did you mean mask-rcnn\\?"),
        ("zzz", "no detector 'zzz'; there are: nanodet, nanodet:large, mask-rcnn, hub:HANDLE"),
        ("", "no detector ''"),
        ("hub:", "no detector 'hub:'"),
        ("./nowhere/model", "no detector './nowhere/model'"),
        ("lamps.py", "is a file of Python"),
        ("lamps:Brigt", "no class Brigt; did you mean lamps:Bright\\?"),
        ("lapms:Bright", "there is no module lapms"),
        ("lamps.inner:Bright", "there is no module lamps.inner"),
    ],
)
@pytest.mark.usefixtures("module")
def test_what_names_nothing_is_a_mistake_with_the_nearest_name(spec: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load_detector(spec, score_threshold=0.5)
    with pytest.raises(ConfigError, match=words):
        check_detector(spec)


def test_a_module_of_the_users_own_may_have_a_detectors_name(module: Path) -> None:
    (module / "nanodet.py").write_text(MODULE)
    assert load_detector("nanodet:Bright", score_threshold=0.5).labels == {1: "lamp"}


def test_a_folder_of_a_detectors_name_hides_it_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = ["nanodet", "nanodet:large", "mask-rcnn", "model"]
    for name in names:
        Path(name).mkdir()
    assert len(check_detector("nanodet") or ()) == 80
    settings = [load_annotate_config(None, {"input": "in.mp4", "detector": name}) for name in names]
    assert [absolute(each).detector for each in settings] == [*names[:3], str(tmp_path / "model")]


@pytest.mark.usefixtures("module")
def test_a_near_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "models" / "rectangles").mkdir(parents=True)
    with pytest.raises(ConfigError, match="did you mean models/rectangles"):
        load_detector("models/rectangle", score_threshold=0.5)


@pytest.mark.usefixtures("module")
def test_a_class_with_the_least_is_filled_up() -> None:
    detector = load_detector("lamps:Bright", score_threshold=0.5)
    assert isinstance(detector, Detector)
    assert (detector.name, detector.input_size, detector.labels) == ("lamps:Bright", None, {1: "lamp"})
    detector.warm_up()
    picture = np.zeros((20, 30, 3), np.uint8)
    assert len(detector.detect(picture)) == 0
    picture[5:9, 10:16] = 255
    assert detector.detect(picture).boxes_xyxy.tolist() == [[10, 5, 16, 9]]
    detector.close()


@pytest.mark.usefixtures("module")
def test_an_object_that_the_module_made_is_used_as_it_is() -> None:
    detector = load_detector("lamps:made", score_threshold=0.5)
    assert (detector.name, detector.labels) == ("lamps:made", {1: "lamp"})
    assert len(detector.detect(np.full((8, 8, 3), 255, np.uint8))) == 1
    with pytest.raises(ConfigError, match="lamps:made takes no device"):
        load_detector("lamps:made", score_threshold=0.5, device="cpu")


@pytest.mark.usefixtures("module")
def test_the_current_directory_hides_no_installed_package(tmp_path: Path) -> None:
    load_detector("lamps:Bright", score_threshold=0.5)
    assert sys.path.index(str(tmp_path)) == len(sys.path) - 1


@pytest.mark.usefixtures("module")
def test_a_class_with_everything_keeps_it() -> None:
    detector = load_detector("lamps:Full", score_threshold=0.25)
    report = check(detector, frames=1)
    detector.close()
    assert (report.name, report.input_size, report.device) == ("full", (64, 48), "an abacus")
    assert report.contract == {"image": "uint8 [48, 64, 3]"}
    assert sys.modules["lamps"].Full.calls == [("made", 0.25), "warm_up", "close"]


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("lamps:Mute", DetectorContractError, "has no method detect"),
        ("lamps:Nameless", DetectorContractError, r"expected a mapping of class id to name, got list \['lamp'\]"),
        ("lamps:Sized", DetectorContractError, r"expected None or \(width, height\) in pixels, got int 64"),
        ("lamps:Needy", DetectorUnavailable, "cannot be made: TypeError: .*weights"),
        ("lamps:Refusing", DetectorUnavailable, "cannot be made: OSError: no weights here"),
        ("lamps:threshold", ConfigError, "threshold is of type float; name a class or a function"),
        ("broken:Any", DetectorUnavailable, "cannot be imported: SyntaxError"),
        ("lonely:Any", DetectorUnavailable, "a_package_that_is_not_there"),
    ],
)
@pytest.mark.usefixtures("module")
def test_a_class_that_cannot_be_used_says_why(name: str, error: type[StreamerError], words: str) -> None:
    with pytest.raises(error, match=words):
        load_detector(name, score_threshold=0.5)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Listing", r"answered with list \[\(1, 2, 3, 4\)\], expected streamer.Instances"),
        ("Array", r"answered with ndarray float32 \(2, 5\), expected streamer.Instances"),
    ],
)
@pytest.mark.usefixtures("module")
def test_an_answer_that_is_no_answer_is_named(name: str, words: str) -> None:
    detector = load_detector(f"lamps:{name}", score_threshold=0.5)
    with pytest.raises(DetectorContractError, match=words):
        detector.detect(np.zeros((8, 8, 3), np.uint8))


@pytest.mark.parametrize("settings", [{"score_threshold": 1.01}, {"score_threshold": 0.5, "threads": 0}])
def test_settings_out_of_range(settings: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="must be"):
        load_detector("nanodet", **settings)  # type: ignore[arg-type]  # the wrong values are the point


@pytest.mark.parametrize("spec", ["nanodet", "lamps:Bright"])
@pytest.mark.usefixtures("module")
def test_labels_are_for_saved_models(spec: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has its own labels"):
        load_detector(spec, score_threshold=0.5, labels_path=tmp_path)


def test_a_check_needs_a_frame() -> None:
    detector = load_detector("nanodet", score_threshold=0.5, threads=1)
    with pytest.raises(ValueError, match="at least 1"):
        check(detector, frames=0)
    detector.close()
