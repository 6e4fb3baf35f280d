//! gRPC of Python's grpcio, through the proxy to a backend that speaks HTTP/2.

use super::in_front_of;
use crate::rig::command::where_present;
use crate::rig::family::NAME;
use crate::rig::web_server::{PYTHON, python};

const SERVER: &str = r#"
import concurrent.futures, sys, grpc

def unary(message, context):
    context.set_trailing_metadata((("note", "seen"), ("bytes-bin", b"\x00\xff")))
    return message

def refused(message, context):
    context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no: \u00e4")

def count(message, context):
    for number in range(int(message)):
        yield str(number).encode()

def chat(messages, context):
    for message in messages:
        yield message

handlers = {
    "Unary": grpc.unary_unary_rpc_method_handler(unary),
    "Refused": grpc.unary_unary_rpc_method_handler(refused),
    "Count": grpc.unary_stream_rpc_method_handler(count),
    "Chat": grpc.stream_stream_rpc_method_handler(chat),
}
server = grpc.server(concurrent.futures.ThreadPoolExecutor())
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Echo", handlers),))
assert server.add_insecure_port(f"{sys.argv[1]}:{sys.argv[2]}") != 0, "Address already in use"
server.start()
server.wait_for_termination()
"#;

const CLIENT: &str = r#"
import queue, sys, grpc

name, address, root = sys.argv[1:]
trust = grpc.ssl_channel_credentials(open(root, "rb").read())
channel = grpc.secure_channel(address, trust, (("grpc.ssl_target_name_override", name), ("grpc.default_authority", name)))

response, call = channel.unary_unary("/test.Echo/Unary").with_call(b"hello", timeout=10)
assert response == b"hello"
trailers = dict(call.trailing_metadata())
assert trailers["note"] == "seen" and trailers["bytes-bin"] == b"\x00\xff", trailers

try:
    channel.unary_unary("/test.Echo/Refused")(b"", timeout=10)
    assert False
except grpc.RpcError as error:
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT and error.details() == "no: \u00e4", error

numbers = [int(number) for number in channel.unary_stream("/test.Echo/Count")(b"1000", timeout=10)]
assert numbers == list(range(1000))

# Each message is answered before the next is sent: neither direction may wait for the other's end.
to_send = queue.Queue()
answers = channel.stream_stream("/test.Echo/Chat")(iter(to_send.get, None), timeout=10)
for message in [b"one", b"", b"x" * (1 << 20)]:
    to_send.put(message)
    assert next(answers) == message
to_send.put(None)
assert list(answers) == []
assert answers.code() == grpc.StatusCode.OK
print("ok")
"#;

#[test]
fn grpc_calls_streams_and_errors_go_through() {
    let Some(peer) = python("grpc", SERVER) else { return };
    let proxy = in_front_of(&peer, |house| house.flag("--backend-http", "2"));
    let root = proxy.directory().text("root.pem");
    let ended = where_present(PYTHON, &["-c", CLIENT, NAME, &proxy.address.to_string(), &root]).unwrap();
    assert_eq!((ended.code, ended.out.trim()), (Some(0), "ok"), "{}", ended.err);
}
