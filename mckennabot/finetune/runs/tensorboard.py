"""Writes event files for TensorBoard, with TensorFlow alone: TensorBoard need not be installed."""

from __future__ import annotations

from pathlib import Path

from mckennabot.backend import import_tensorflow


class Events:
    """Scalars by step, in a directory."""

    def __init__(self, directory: Path) -> None:
        tf = import_tensorflow()
        self._writer = tf.summary.create_file_writer(str(directory))
        metadata = tf.compat.v1.SummaryMetadata
        self._metadata = metadata(plugin_data=metadata.PluginData(plugin_name="scalars"))
        self._metadata.data_class = 1  # DATA_CLASS_SCALAR

    def add(self, step: int, **values: float) -> None:
        """Write one value for each name."""
        tf = import_tensorflow()
        with self._writer.as_default():
            for name, value in values.items():
                tf.summary.write(name, tf.constant(value, tf.float32), step, self._metadata)
        self._writer.flush()
