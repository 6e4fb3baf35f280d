//! A WebSocket echo of Python's websockets, through the proxy.

use super::in_front_of;
use crate::rig::command::where_present;
use crate::rig::family::NAME;
use crate::rig::web_server::{PYTHON, python};

const SERVER: &str = r#"
import asyncio, sys, websockets

async def echo(socket):
    async for message in socket:
        await socket.send(message)

async def main():
    async with websockets.serve(echo, sys.argv[1], int(sys.argv[2]), max_size=None, subprotocols=["echo"]):
        await asyncio.Future()

asyncio.run(main())
"#;

const CLIENT: &str = r#"
import asyncio, ssl, sys, websockets

async def main(name, host, port, root):
    trust = ssl.create_default_context(cafile=root)
    uri = f"wss://{name}:{port}/chat"
    options = dict(ssl=trust, host=host, port=int(port), server_hostname=name, max_size=None, subprotocols=["echo"])
    async with websockets.connect(uri, **options) as socket:
        assert socket.subprotocol == "echo"
        for message in ["text", "", "\u00e4\u20ac", bytes(range(256)), b"x" * (1 << 20)]:
            await socket.send(message)
            assert await socket.recv() == message
        await (await socket.ping())
        many = [str(number) for number in range(500)]
        for message in many:
            await socket.send(message)
        assert [await socket.recv() for _ in many] == many
        await socket.close(4000, "done")
        assert socket.close_code == 4000
    print("ok")

asyncio.run(main(*sys.argv[1:]))
"#;

#[test]
fn a_websocket_echoes_text_bytes_pings_and_its_end() {
    let Some(peer) = python("websockets", SERVER) else {
        return;
    };
    let proxy = in_front_of(&peer, |house| house);
    let (host, port) = (proxy.address.ip().to_string(), proxy.address.port().to_string());
    let root = proxy.directory().text("root.pem");
    let ended = where_present(PYTHON, &["-c", CLIENT, NAME, &host, &port, &root]).unwrap();
    assert_eq!((ended.code, ended.out.trim()), (Some(0), "ok"), "{}", ended.err);
}
