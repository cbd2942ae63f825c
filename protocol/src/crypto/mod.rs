//! One primitive composed per file. Nothing here knows a round, a message or a state.

pub mod blocks;
pub mod channel;
pub mod commit;
pub mod keys;
pub mod mask;
#[allow(clippy::arithmetic_side_effects, reason = "points form a group, scalars a field; nothing overflows")]
pub mod pedersen;
#[allow(clippy::arithmetic_side_effects, reason = "points form a group, scalars a field; nothing overflows")]
pub mod ranges;
pub mod seal;
#[allow(clippy::arithmetic_side_effects, reason = "scalars form a field; nothing overflows")]
pub mod sharing;
pub mod transcript;
pub mod tree;
