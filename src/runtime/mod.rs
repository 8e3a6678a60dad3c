//! Master, worker process, workers: start, reload, stop.
