//! The boundary that no panic crosses.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

/// The guarded code panicked; the host does not notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Panicked;

/// Runs `work`; a panic in it is an error.
pub(crate) fn guarded<R>(work: impl FnOnce() -> R) -> Result<R, Panicked> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| Panicked)
}

/// Polls `future`; a panic while it is polled or dropped is an error.
pub(crate) fn guarded_future<F: Future>(future: F) -> Guarded<F> {
    Guarded(Some(Box::pin(future)))
}

/// A future whose panics are errors. Boxed, so that it can be dropped inside the boundary as well: what a transport
/// holds when the budget ends may panic on its way out.
pub(crate) struct Guarded<F>(Option<Pin<Box<F>>>);

impl<F: Future> Future for Guarded<F> {
    type Output = Result<F::Output, Panicked>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(future) = self.0.as_mut() else { return Poll::Ready(Err(Panicked)) };
        match guarded(|| future.as_mut().poll(context)) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => {
                self.discard();
                Poll::Ready(Ok(output))
            }
            Err(Panicked) => {
                self.discard();
                Poll::Ready(Err(Panicked))
            }
        }
    }
}

impl<F> Guarded<F> {
    fn discard(&mut self) {
        if let Some(future) = self.0.take() {
            // A panic here has nothing left to spoil: the output was taken, or there is none.
            let _ = guarded(|| drop(future));
        }
    }
}

impl<F> Drop for Guarded<F> {
    fn drop(&mut self) {
        self.discard();
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    struct PanicsOnDrop;

    impl Drop for PanicsOnDrop {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }

    #[test]
    fn a_future_that_panics_when_dropped_does_no_harm() {
        let mut context = Context::from_waker(Waker::noop());
        let mut pending = guarded_future(async {
            let _held = PanicsOnDrop;
            std::future::pending::<()>().await;
        });
        assert!(Pin::new(&mut pending).poll(&mut context).is_pending());
        drop(pending);
    }

    #[test]
    fn a_future_that_panics_is_an_error_and_stays_one() {
        let mut context = Context::from_waker(Waker::noop());
        let mut broken = guarded_future(async { panic!("polled") });
        let pinned: Pin<&mut Guarded<_>> = Pin::new(&mut broken);
        let first: Poll<Result<(), Panicked>> = pinned.poll(&mut context);
        assert_eq!(first, Poll::Ready(Err(Panicked)));
        assert_eq!(Pin::new(&mut broken).poll(&mut context), Poll::Ready(Err(Panicked)));
    }
}
