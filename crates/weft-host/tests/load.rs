//! What is refused before it can be called.

mod support;

use std::sync::Arc;

use support::{Bench, guest};
use weft_host::{Component, ComponentSpec, Grants, Isolation, Limits, LoadError};
use weft_types::Name;

fn load(bench: &Bench, name: &str, memory: u64) -> Result<Arc<Component>, LoadError> {
    let wasm = guest(name);
    bench.host.load(ComponentSpec {
        application: Name::nearest("test"),
        component: Name::nearest(name),
        revision: ComponentSpec::digest_of(&wasm),
        wasm: wasm.to_vec().into(),
        isolation: Isolation::Request,
        limits: Limits { memory, ..Limits::default() },
        grants: Arc::new(Grants::default()),
    })
}

#[test]
fn more_memory_at_start_than_the_limit_is_refused_compiled_before_or_not() {
    let bench = Bench::new();
    for name in ["hello-p2", "hello-p3"] {
        let refused = |way: &str| {
            let error = load(&bench, name, 64 << 10).err().unwrap_or_else(|| panic!("{name} was loaded, {way}"));
            let LoadError::TooLarge { declared, limit } = error else { panic!("{name}, {way}: {error}") };
            assert!(declared > limit && limit == 64 << 10, "{name}: {declared} of {limit}");
            declared
        };
        let declared = refused("not compiled yet");
        load(&bench, name, declared).unwrap_or_else(|error| panic!("{name} fits its limit exactly: {error}"));
        assert_eq!(refused("compiled"), declared, "the compiled code says the same");
    }
}
