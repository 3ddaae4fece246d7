"""Whether Triton's own client gets right answers of ``streamer serve tests.serving.servers:Scripted``.

ask_streamer.py GRPC_PORT HTTP_PORT, in the environment of the judges.
"""

import sys

import cv2
import numpy as np
import tritonclient.grpc
import tritonclient.http
from tritonclient.utils import InferenceServerException, shared_memory

MODEL = "scripted"
BOXES = np.array([[0, 0, 0.5, 0.5], [0.25, 0.25, 1, 1], [0.5, 0, 0.75, 1], [0, 0.5, 1, 0.75]])


def right(what, answer, width, height, count=4):
    np.testing.assert_allclose(answer.as_numpy("boxes"), BOXES[:count] * [width, height, width, height], rtol=1e-6)
    np.testing.assert_allclose(answer.as_numpy("scores"), [0.9, 0.8, 0.6, 0.3][:count])
    assert answer.as_numpy("classes").tolist() == [1, 2, 1, 3][:count]
    assert answer.as_numpy("masks").shape == (count, 6, 6)
    assert answer.as_numpy("has_mask").tolist() == [True, True, True, False][:count]
    print(f"right: tritonclient {what}")


def ask(module, address):
    client = module.InferenceServerClient(address)
    kind = module.__name__.rpartition(".")[2]
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(MODEL)
    server, model = client.get_server_metadata(), client.get_model_metadata(MODEL)
    names = [server.name, model.inputs[0].name] if kind == "grpc" else [server["name"], model["inputs"][0]["name"]]
    assert names == ["streamer", "image"]
    picture = np.zeros((1080, 1920, 3), np.uint8)
    raw = module.InferInput("image", picture.shape, "UINT8")
    raw.set_data_from_numpy(picture)
    right(f"{kind}, raw", client.infer(MODEL, [raw]), 1920, 1080)
    right(f"{kind}, parameters", client.infer(MODEL, [raw], parameters={"max_instances": 2}), 1920, 1080, 2)
    if kind == "grpc":
        scored = client.infer(MODEL, [raw], parameters={"score_threshold": 0.7})
        right("grpc, a number with a fraction", scored, 1920, 1080, 2)
    wanted = [module.InferRequestedOutput("classes")]
    only = client.infer(MODEL, [raw], outputs=wanted)
    assert only.as_numpy("boxes") is None
    assert only.as_numpy("classes").tolist() == [1, 2, 1, 3]
    jpeg = module.InferInput("image_jpeg", [1], "BYTES")
    jpeg.set_data_from_numpy(np.array([cv2.imencode(".jpg", picture[:48, :64])[1].tobytes()], object))
    right(f"{kind}, JPEG", client.infer(MODEL, [jpeg]), 64, 48)
    memory = shared_memory.create_shared_memory_region("frame", "/judge_frame", picture.nbytes)
    client.register_system_shared_memory("frame", "/judge_frame", picture.nbytes)
    shared_memory.set_shared_memory_region(memory, [picture])
    there = module.InferInput("image", picture.shape, "UINT8")
    there.set_shared_memory("frame", picture.nbytes)
    right(f"{kind}, shared memory", client.infer(MODEL, [there]), 1920, 1080)
    client.unregister_system_shared_memory("frame")
    shared_memory.destroy_shared_memory_region(memory)
    for name, inputs in (("none", [raw]), (MODEL, [there])):
        try:
            client.infer(name, inputs)
        except InferenceServerException as error:
            print(f"right: tritonclient {kind} is told: {error.message()}")
        else:
            raise AssertionError(f"{name} was answered")
    client.close()


if __name__ == "__main__":
    ask(tritonclient.grpc, f"127.0.0.1:{sys.argv[1]}")
    ask(tritonclient.http, f"127.0.0.1:{sys.argv[2]}")
