import streamer as streamer  # before PyAV, wherever a benchmark imports that first: see streamer.runtime.import_order
