"""A detector for others: served by KServe's protocol v2, over gRPC and HTTP, to whoever asks with a picture."""
