//! The language from source to object: what scripts mean, what they are refused for, and that the kernel takes them.

mod accept;
mod complaints;
mod fire;
mod ir;
mod random_scripts;
mod values;
pub(crate) mod world;
