//! The file layer, built once from its C source, and a process put on top of it.

use std::{
    fs,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use crate::load::Orders;

/// A folder with a process's data, the record of what it did to it, and the byte that says what fails.
pub(crate) struct Layer {
    root: tempfile::TempDir,
}

impl Layer {
    pub(crate) fn new() -> Self {
        let layer = Self { root: tempfile::tempdir().expect("a folder") };
        fs::create_dir(layer.data()).expect("a folder");
        fs::write(layer.ctl(), "0").expect("the control file");
        layer
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.root.path().join("data")
    }

    pub(crate) fn trace(&self) -> PathBuf {
        self.root.path().join("trace")
    }

    pub(crate) fn ctl(&self) -> PathBuf {
        self.root.path().join("ctl")
    }

    fn under(&self, child: &mut Command) {
        child.env("LD_PRELOAD", library()).env("FAULTFS_DIR", self.data());
        child.env("FAULTFS_TRACE", self.trace()).env("FAULTFS_CTL", self.ctl());
    }

    /// Runs the load to its end.
    #[track_caller]
    pub(crate) fn run(&self, orders: &Orders) {
        let mut child = Command::new(std::env::current_exe().expect("this test"));
        orders.tell(&mut child);
        self.run_child(&mut child);
    }

    #[track_caller]
    pub(crate) fn run_child(&self, child: &mut Command) {
        self.under(child);
        let output = child.output().expect("starts");
        assert!(output.status.success(), "{}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
}

/// Says what fails from now on. In place, since the layer has the byte mapped.
pub(crate) fn say(ctl: &Path, mode: u8) {
    let file = fs::File::options().write(true).open(ctl).expect("the control file");
    file.write_all_at(&[mode], 0).expect("the control file");
}

/// The compiled layer. The C compiler is the one that builds SQLite.
fn library() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/durable/faultfs.c");
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("faultfs-{}.so", std::process::id()));
        let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
        let built = Command::new(compiler)
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
            .arg(&library)
            .arg(source)
            .arg("-lpthread")
            .status();
        assert!(built.is_ok_and(|status| status.success()), "the file layer does not compile");
        library
    })
}
