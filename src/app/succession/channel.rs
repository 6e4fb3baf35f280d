//! Messages between two processes, with or without a socket.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::io::retry_on_intr;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};

/// More than the longest name: a path of 107 bytes, or one of systemd's with 255.
const LONGEST: usize = 1024;

/// One end of a pair of sockets that keep messages apart.
#[derive(Debug)]
pub(super) struct Channel(OwnedFd);

/// What came.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) text: String,
    pub(super) socket: Option<OwnedFd>,
}

impl Channel {
    /// An end for this process, and one for another.
    pub(super) fn pair() -> io::Result<(Self, OwnedFd)> {
        let flags = SocketFlags::CLOEXEC;
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        Ok((Self(ours), theirs))
    }

    /// The end that this process was given.
    pub(super) fn of(end: OwnedFd) -> Self {
        Self(end)
    }

    /// Gives the other side so long for each message.
    pub(super) fn set_patience(&self, patience: Duration) -> io::Result<()> {
        for which in [Timeout::Recv, Timeout::Send] {
            set_socket_timeout(&self.0, which, Some(patience))?;
        }
        Ok(())
    }

    /// Sends `text`, and a duplicate of `socket` with it.
    pub(super) fn send(&self, text: &str, socket: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let sockets: Vec<_> = socket.into_iter().collect();
        if !sockets.is_empty() && !control.push(SendAncillaryMessage::ScmRights(&sockets)) {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        let text = [IoSlice::new(text.as_bytes())];
        // Who is gone is an error of this call, and no signal.
        retry_on_intr(|| sendmsg(&self.0, &text, &mut control, SendFlags::NOSIGNAL))?;
        Ok(())
    }

    /// Waits for the next message; `None` where the other side is gone.
    pub(super) fn receive(&self) -> io::Result<Option<Message>> {
        let mut text = [0; LONGEST];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [IoSliceMut::new(&mut text)];
        let received = retry_on_intr(|| recvmsg(&self.0, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC));
        let length = match received {
            Ok(received) => received.bytes,
            // It left without having read everything.
            Err(rustix::io::Errno::CONNRESET) => 0,
            Err(error) => return Err(error.into()),
        };
        let sockets = control.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(sockets) => Some(sockets),
            _ => None,
        });
        let socket = sockets.flatten().next();
        let text = text.get(..length).unwrap_or_default();
        Ok((length > 0).then(|| Message {
            text: String::from_utf8_lossy(text).into_owned(),
            socket,
        }))
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_socket_arrives_with_its_name_and_is_the_same() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (ours, theirs) = Channel::pair().unwrap();
        ours.send("socket a", Some(listener.as_fd())).unwrap();
        ours.send("start", None).unwrap();
        let theirs = Channel::of(theirs);
        let first = theirs.receive().unwrap().unwrap();
        assert_eq!(first.text, "socket a");
        let passed = TcpListener::from(first.socket.unwrap());
        assert_eq!(passed.local_addr().unwrap(), listener.local_addr().unwrap());
        let second = theirs.receive().unwrap().unwrap();
        assert!(second.text == "start" && second.socket.is_none());
    }

    #[test]
    fn whoever_is_gone_is_told_apart_from_whoever_is_slow() {
        let (ours, theirs) = Channel::pair().unwrap();
        ours.set_patience(Duration::from_millis(1)).unwrap();
        let slow = ours.receive().unwrap_err();
        assert_eq!(slow.kind(), io::ErrorKind::WouldBlock);
        ours.send("never read", None).unwrap();
        drop(theirs);
        assert!(ours.receive().unwrap().is_none());
        assert!(ours.send("too late", None).is_err());
    }
}
