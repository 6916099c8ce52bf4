//! Work on the disk, off the threads that serve: a sync may take as long as the disk likes.

use crate::ControlError;

pub(crate) async fn off<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ControlError> + Send + 'static,
) -> Result<T, ControlError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => {
            Err(std::io::Error::other(format!("what was to be done on the disk ended badly: {error}")).into())
        }
    }
}
