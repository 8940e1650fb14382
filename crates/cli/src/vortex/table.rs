//! Columns in memory, on their way into a blob.

use arrow_array::ArrayRef;
use tidelog_vortex::ColumnSpec;

/// Columns of equal length.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) specs: Vec<ColumnSpec>,
    pub(super) arrays: Vec<ArrayRef>,
}

impl Table {
    pub(super) fn rows(&self) -> usize {
        self.arrays.first().map_or(0, |array| array.len())
    }

    /// Bytes as Arrow holds them.
    pub(super) fn arrow_bytes(&self) -> usize {
        self.arrays.iter().map(arrow_bytes).sum()
    }
}

/// Bytes that an array's values, offsets and validity take, without what buffers hold beside them.
pub(super) fn arrow_bytes(array: &ArrayRef) -> usize {
    array.to_data().get_slice_memory_size().unwrap_or(0)
}
