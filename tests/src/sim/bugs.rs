//! Bugs of a driver that can be planted in the simulator's own drivers.
//!
//! Bugs of the core are planted in the protocol (`ablation.rs`). Both are found by the same claims.

/// A driver's bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bug {
    /// A node's records are written after the frames.
    RecordAfterSend,
    /// A node's records are not synced before frames leave.
    NoSync,
    /// SPENT is never written.
    SpentNotWritten,
    /// CONFIRMED is never written.
    ConfirmedNotWritten,
    /// The extract is read again by each session of a slot.
    ExtractReadAgain,
    /// The extract's hash does not depend on its rows.
    HashOfSlotAlone,
    /// A node's deadlines are never armed.
    TimerNeverArmed,
    /// The coordinator's deadlines are never armed.
    CentreTimerNeverArmed,
    /// The coordinator sends before its records are durable.
    CentreSendsFirst,
    /// The coordinator does not keep the slot's survivors.
    BoundNotKept,
    /// Reports are published out of order.
    PublishedOutOfOrder,
}

impl Bug {
    /// All of them, and what each does.
    pub const ALL: &[(Bug, &str)] = &[
        (Bug::RecordAfterSend, "a node writes its records after it sends"),
        (Bug::NoSync, "a node does not sync before it sends"),
        (Bug::SpentNotWritten, "a node does not write SPENT"),
        (Bug::ConfirmedNotWritten, "a node does not write CONFIRMED"),
        (Bug::ExtractReadAgain, "a node reads the rows again inside a slot"),
        (Bug::HashOfSlotAlone, "the extract's hash does not depend on the rows"),
        (Bug::TimerNeverArmed, "a node's deadlines are never armed"),
        (Bug::CentreTimerNeverArmed, "the coordinator's deadlines are never armed"),
        (Bug::CentreSendsFirst, "the coordinator sends before its records are durable"),
        (Bug::BoundNotKept, "the coordinator forgets the slot's survivors"),
        (Bug::PublishedOutOfOrder, "reports are published out of order"),
    ];
}
