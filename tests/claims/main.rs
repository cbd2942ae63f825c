//! Claims C1 to C4 of the protocol, as tests: random adversaries over real machines, the leakage oracle,
//! red controls, and what an honest coordinator survives.

mod claims;
