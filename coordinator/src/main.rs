//! `samensom`: LCG's server, and the command line for staff, approvers, researchers and auditors.

fn main() -> std::process::ExitCode {
    samensom_coordinator::cli::main()
}
