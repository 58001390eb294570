#!/usr/bin/env python3
"""The server behind the proxy: keep-alive HTTP/1.1 that reads every body to its end, as a service would.

    origin.py [PORT]       listens on 127.0.0.1; prints the port, and ends when its standard input does

    /bytes/N          N bytes
    /slow/MS          100 bytes, MS milliseconds after the request's end
    /trickle/N/MS     N bytes, one every MS milliseconds
    /status/N         that status, without a body
    /echo             what was sent, its trailers too, as it was sent
    /fields           the request's head as it came
    /early            103, then 100 bytes
    /until-close/N    N bytes, and the end of this half of the connection, where the other is still read, says that these
                      were all
    /hold/MS          the number of bytes sent, which are read only after MS milliseconds
    /watch/KEY        no answer; it is noted when the connection is closed
    /watched/KEY      whether it was
    anything else     100 bytes
"""

import asyncio
import contextlib
import sys

BODY = b"x" * 100
READ_AHEAD_BYTES = 1 << 16
watched = {}


async def read_head(reader):
    """(method, path, fields, the head as it came), or None at the connection's end."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    line, *lines = head[:-4].split(b"\r\n")
    method, path, _ = line.decode("latin-1").split(" ")
    fields = [tuple(part.strip() for part in field.decode("latin-1").split(":", 1)) for field in lines]
    return method, path, {name.lower(): value for name, value in fields}, head


async def body_parts(reader, fields):
    """The parts of a body as they come, then its trailers as one tuple of (name, value)."""
    trailers = []
    if fields.get("transfer-encoding", "").lower() == "chunked":
        while size := int((await reader.readline()).split(b";")[0], 16):
            yield (await reader.readexactly(size + 2))[:-2]
        while (line := (await reader.readline()).strip()) != b"":
            trailers.append(tuple(part.strip() for part in line.decode("latin-1").split(":", 1)))
    else:
        left = int(fields.get("content-length", 0))
        while left > 0:
            part = await reader.read(min(left, 65536))
            if not part:
                raise ConnectionError
            left -= len(part)
            yield part
    yield tuple(trailers)


def head(status, *fields):
    return "\r\n".join([f"HTTP/1.1 {status} Said", *fields, "", ""]).encode("latin-1")


def with_length(body, status=200):
    return head(status, "Content-Type: text/plain", f"Content-Length: {len(body)}") + body


async def echo(reader, writer, fields):
    """Sends each part back as soon as it has come, chunked."""
    writer.write(head(200, "Transfer-Encoding: chunked", "Trailer: x-echoed"))
    async for part in body_parts(reader, fields):
        if isinstance(part, tuple):
            lines = "".join(f"{name}: {value}\r\n" for name, value in part)
            writer.write(b"0\r\n" + lines.encode("latin-1") + b"x-echoed: yes\r\n\r\n")
        elif part:
            writer.write(b"%x\r\n%s\r\n" % (len(part), part))
        await writer.drain()


async def answer(method, path, whole_head, writer):
    """Answers a request whose body has been read."""
    words = path.strip("/").split("/")
    if words[0] == "bytes":
        writer.write(head(200, f"Content-Length: {words[1]}"))
        left = int(words[1]) if method != "HEAD" else 0
        while left > 0:
            part = min(left, 65536)
            writer.write(b"x" * part)
            await writer.drain()
            left -= part
    elif words[0] == "slow":
        await asyncio.sleep(int(words[1]) / 1000)
        writer.write(with_length(BODY))
    elif words[0] == "trickle":
        writer.write(head(200, f"Content-Length: {words[1]}"))
        for _ in range(int(words[1])):
            writer.write(b"x")
            await asyncio.sleep(int(words[2]) / 1000)
    elif words[0] == "status":
        bodiless = words[1] in ("204", "304")
        writer.write(head(words[1], 'ETag: "e"', *([] if bodiless else ["Content-Length: 0"])))
    elif words[0] == "early":
        writer.write(head(103, "Link: </style.css>; rel=preload") + with_length(BODY))
    elif words[0] == "watched":
        writer.write(with_length(watched.get(words[1], "unknown").encode()))
    elif words[0] == "fields":
        writer.write(with_length(whole_head))
    else:
        sent = with_length(BODY)
        writer.write(sent if method != "HEAD" else sent[: -len(BODY)])


async def serve(reader, writer):
    try:
        while request := await read_head(reader):
            method, path, fields, whole_head = request
            path = path.split("?")[0]
            if fields.get("expect", "").lower() == "100-continue":
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            words = path.strip("/").split("/")
            if words[0] == "echo":
                await echo(reader, writer, fields)
            elif words[0] == "until-close":
                writer.write(head(200) + b"x" * int(words[1]))
                writer.write_eof()
                while await reader.read(READ_AHEAD_BYTES):
                    pass
                break
            elif words[0] == "watch":
                watched[words[1]] = "open"
                await reader.read(1)
                watched[words[1]] = "closed"
                break
            elif words[0] == "hold":
                await asyncio.sleep(int(words[1]) / 1000)
                parts = [len(part) async for part in body_parts(reader, fields) if isinstance(part, bytes)]
                writer.write(with_length(str(sum(parts)).encode()))
            else:
                async for _ in body_parts(reader, fields):
                    pass
                await answer(method, path, whole_head, writer)
            await writer.drain()
            if fields.get("connection", "").lower() == "close":
                break
    except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, ValueError):
        pass
    finally:
        with contextlib.suppress(RuntimeError):
            writer.close()


async def main():
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    server = await asyncio.start_server(serve, "127.0.0.1", port, limit=READ_AHEAD_BYTES, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    loop = asyncio.get_running_loop()
    ended = loop.create_future()
    loop.add_reader(sys.stdin, lambda: sys.stdin.buffer.read1() or ended.done() or ended.set_result(None))
    await ended


if __name__ == "__main__":
    asyncio.run(main())
