"""What holds for the whole process: signals, order of imports, threads of OpenCV, logging."""
