//! Every test, after all that they need.

use crate::{
    guests,
    setup::{self, For},
    sh::{Done, cargo, run as sh},
};

pub(crate) fn run(deep: bool) -> Done {
    setup::run(For::Tests)?;
    guests::run()?;
    let mut command = cargo();
    if setup::has_nextest() {
        command.args(["nextest", "run", "--workspace", "--no-fail-fast"]);
    } else {
        command.args(["test", "--workspace", "--no-fail-fast", "--lib", "--bins", "--tests"]);
    }
    if deep {
        command.env("WEFT_DEEP", "1");
        command.env("NEXTEST_PROFILE", "deep");
    }
    sh(&mut command)
}
