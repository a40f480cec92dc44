//! Layers: tar archives, applied in order.

pub(crate) mod apply;
pub(crate) mod content;
pub(crate) mod decompress;
pub(crate) mod holes;
pub(crate) mod pipe;
pub(crate) mod spool;
pub(crate) mod tar;
pub(crate) mod tar_writer;
pub(crate) mod tree;
