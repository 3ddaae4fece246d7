"""A user's own detector by the name of its class or function, ``package.module:Class``."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from operator import attrgetter
from pathlib import Path

from streamer.detectors.device import AUTO
from streamer.detectors.function import FunctionDetector, is_detecting
from streamer.detectors.plugin import PluginDetector
from streamer.errors import ConfigError, DetectorError, DetectorUnavailable
from streamer.stages import Detector
from streamer.suggest import nearest


def load_class(spec: str, score_threshold: float, others: Collection[str] = (), device: str = AUTO) -> Detector:
    """An instance of the class that ``spec``, ``package.module:Class``, names; it gets ``device`` if it takes that.

    A function that takes a picture is wrapped, see :class:`FunctionDetector`; any other is called as the class would be. An
    object with ``detect`` that the module has made is used as it is.

    Raises ``ConfigError`` where there is no such module or class, with the nearest of the names of ``others`` that may have
    been meant, and ``DetectorUnavailable`` for what it raises itself.
    """
    module_name, _, class_name = spec.partition(":")
    try:
        with _current_directory_first():
            module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and (module_name == error.name or module_name.startswith(error.name + ".")):
            raise _no_module(spec, error.name, others) from error
        raise DetectorUnavailable(f"the detector {spec} cannot be imported: {error}", hint="install what it needs") from error
    except (Exception, SystemExit) as error:  # a script that reads its own arguments ends the process
        raise DetectorUnavailable(
            f"the detector {spec} cannot be imported: {type(error).__name__}: {error}", hint="mend the module"
        ) from error
    try:
        cls = attrgetter(class_name)(module)
    except AttributeError:
        classes = [name for name, value in vars(module).items() if inspect.isclass(value) and value.__module__ == module_name]
        raise _no_class(spec, classes) from None
    if not callable(cls):
        if not hasattr(cls, "detect"):
            raise ConfigError(
                f"the detector {spec}: {class_name} is of type {type(cls).__name__}", hint="name a class or a function"
            )
        if device != AUTO:
            raise _takes_no_device(spec)
        return PluginDetector(cls, spec)
    try:
        if is_detecting(cls):
            _arguments(cls, spec, score_threshold, device)
            return FunctionDetector(cls, spec, getattr(cls, "labels", getattr(module, "labels", None)))
        instance = cls(**_arguments(cls, spec, score_threshold, device))
    except (ConfigError, DetectorError):
        raise
    except (Exception, SystemExit) as error:
        raise DetectorUnavailable(
            f"the detector {spec} cannot be made: {type(error).__name__}: {error}",
            hint="a class is called with those of score_threshold and device that it takes, else without arguments; "
            "a function that detects takes the picture alone",
        ) from error
    return PluginDetector(instance, spec)


def _arguments(cls: Callable[..., object], spec: str, score_threshold: float, device: str) -> dict[str, object]:
    """What ``cls`` takes of what there is. Raises ``ConfigError`` for a device that it does not take."""
    takes = inspect.signature(cls).parameters
    if device != AUTO and "device" not in takes:
        raise _takes_no_device(spec)
    given: dict[str, object] = {"score_threshold": score_threshold, "device": device}
    return {name: value for name, value in given.items() if name in takes}


def _takes_no_device(spec: str) -> ConfigError:
    return ConfigError(f"the detector {spec} takes no device", hint="leave --device away, or let its class take device")


def check_class(spec: str, others: Collection[str] = ()) -> None:
    """Raise what :func:`load_class` raises where there is no such module or class, as far as its source tells.

    The module is not run; the packages around it are, which importing needs.
    """
    module_name, _, class_name = spec.partition(":")
    try:
        with _current_directory_first():
            found = importlib.util.find_spec(module_name)
    except ModuleNotFoundError as error:
        raise _no_module(spec, error.name or module_name, others) from error
    except Exception as error:
        raise DetectorUnavailable(
            f"the detector {spec} cannot be imported: {type(error).__name__}: {error}", hint="mend the module"
        ) from error
    if found is None:
        raise _no_module(spec, module_name, others)
    if found.origin is None or not found.origin.endswith(".py"):
        return
    try:
        tree = ast.parse(Path(found.origin).read_bytes())
    except SyntaxError as error:
        raise DetectorUnavailable(
            f"the detector {spec} cannot be imported: {type(error).__name__}: {error}", hint="mend the module"
        ) from error
    # What an import or an assignment brings under a name is known only when the module runs.
    mentioned = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    imported = {
        alias.asname or alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    classes = [node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef | ast.FunctionDef)]
    outermost = class_name.partition(".")[0]
    if outermost not in {*mentioned, *imported, *classes} and "*" not in imported and "__getattr__" not in classes:
        raise _no_class(spec, [node.name for node in tree.body if isinstance(node, ast.ClassDef)])


@contextmanager
def _current_directory_first() -> Iterator[None]:
    here = str(Path.cwd())
    added = here not in sys.path
    if added:
        sys.path.insert(0, here)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        if added and here in sys.path:
            # It may import its neighbours later, but from now on they hide no installed package.
            sys.path.remove(here)
            sys.path.append(here)


def _no_module(spec: str, name: str, others: Collection[str]) -> ConfigError:
    near = nearest(spec, others, most=1)
    meant = f"did you mean {near[0]}? a module" if near else "it"
    hint = f"{meant} is looked for in {Path.cwd()} and among the installed packages"
    return ConfigError(f"the detector {spec}: there is no module {name}", hint=hint)


def _no_class(spec: str, classes: Collection[str]) -> ConfigError:
    module_name, _, class_name = spec.partition(":")
    near = nearest(class_name, classes, most=1) or sorted(classes)
    hint = f"did you mean {module_name}:{near[0]}?" if near else "it holds no class at all"
    return ConfigError(f"the detector {spec}: the module has no class {class_name}", hint=hint)
