//! What stands between a client and a server and passes requests on, one connection each.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

/// Listens on a port of its own, and has each connection passed on to `upstream` by `pass`, which is told where that is. It ends with
/// the test's process, as its connections do.
pub(super) fn open(
    upstream: &str,
    pass: impl Fn(TcpStream, &str) -> std::io::Result<()> + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let authority: Arc<str> = upstream.trim_start_matches("http://").trim_end_matches('/').into();
    let pass = Arc::new(pass);
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let (authority, pass) = (Arc::clone(&authority), Arc::clone(&pass));
            // Whoever hangs up in the middle is no failure of what stands between.
            std::thread::spawn(move || pass(client, &authority).ok());
        }
    });
    address
}

/// A request's head, and its body.
pub(super) fn request(client: &mut impl Read) -> std::io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 16 << 10];
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
            });
            let whole = end + 4 + length.unwrap_or(0);
            while bytes.len() < whole {
                let read = client.read(&mut chunk)?;
                if read == 0 {
                    return Err(std::io::ErrorKind::UnexpectedEof.into());
                }
                bytes.extend_from_slice(&chunk[..read]);
            }
            return Ok((head, bytes[end + 4..whole].to_vec()));
        }
        let read = client.read(&mut chunk)?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&chunk[..read]);
    }
}

/// The answer to a request that is sent there as it is.
pub(super) fn passed_on(head: &str, body: &[u8], authority: &str) -> std::io::Result<Vec<u8>> {
    let kept = head.lines().filter(|line| {
        let name = line.split(':').next().unwrap_or_default();
        !["connection", "content-length"].iter().any(|known| name.eq_ignore_ascii_case(known)) && !line.is_empty()
    });
    let mut sent: String = kept.flat_map(|line| [line, "\r\n"]).collect();
    sent.extend(["Content-Length: ", &body.len().to_string(), "\r\nConnection: close\r\n\r\n"]);
    let mut upstream = TcpStream::connect(authority)?;
    upstream.write_all(sent.as_bytes())?;
    upstream.write_all(body)?;
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer)?;
    Ok(answer)
}
