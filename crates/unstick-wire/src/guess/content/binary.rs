//! Protocols of databases, queues, remote calls and programs.

use super::dialogue::{Content, Dialogue, Message, every};

pub(super) const CONTENT: &[(&str, Content)] = &[
    ("postgres", postgres),
    ("mysql", mysql),
    ("tds", |all| {
        let kind = |message: &Message<'_>| message.is_of(0, &[1, 2, 3, 4, 6, 7, 8, 0x0e, 0x10, 0x11, 0x12]);
        let first = |message: &Message<'_>| message.is_of(0, &[0x12, 0x10, 0x02, 0x01]);
        all.first(6.0, first, |message| message.has(0, &[4]))?;
        every(&all.server, 0.0, |message| message.has(0, &[4]))?;
        all.all(18.0, |message| {
            kind(message) && message.is_in(1, 0..=0x1f) && message.has(7, &[0]) && message.length >= 9
        })
    }),
    ("bolt", |all| {
        all.request()?;
        all.first(34.0, |message| message.has(0, &[0x60, 0x60, 0xb0, 0x17]), |message| message.length <= 20)
    }),
    ("mongodb", |all| {
        all.all(30.0, |message| message.le(12, 4).is_some_and(|code| matches!(code, 1 | 1000 | 2001..=2013)))
    }),
    ("memcached-binary", |all| {
        let head = |message: &Message<'_>, magic: u8| {
            message.has(0, &[magic]) && message.is_in(1, 0..=0x48) && message.has(5, &[0])
        };
        Some(
            every(&all.client, 18.0, |message| head(message, 0x80))?
                + every(&all.server, 18.0, |message| head(message, 0x81))?,
        )
    }),
    ("cassandra", |all| cassandra(all, 1..=4)),
    ("cassandra5", |all| {
        all.request()?;
        all.first(20.0, |message| message.has(0, &[5]) && message.is_of(4, &[1, 5]), |message| message.has(0, &[0x85]))
    }),
    ("elasticsearch", |all| all.all(20.0, |message| message.has(0, b"ES"))),
    ("zookeeper", |all| {
        all.request()?;
        let asks = |message: &Message<'_>| {
            matches!(message.length, 48 | 49) && message.has(4, &[0; 4]) && message.has(28, &[0, 0, 0, 16])
        };
        all.first(50.0, asks, |message| message.has(4, &[0; 4]) && message.has(20, &[0, 0, 0, 16]))
    }),
    ("aerospike", |all| {
        all.all(16.0, |message| message.has(0, &[2]) && message.is_in(1, 1..=4) && message.has(2, &[0, 0]))
    }),
    ("tarantool", |all| all.answer().filter(|message| message.begins(&["Tarantool "])).map(|_| 60.0)),
    ("hadoop", |all| all.request().filter(|message| message.has(0, b"hrpc")).map(|_| 36.0)),
    ("tns", |all| {
        let kind = |message: &Message<'_>| message.is_in(4, 1..=19) && message.has(6, &[0, 0]);
        all.first(
            30.0,
            |message| message.has(4, &[1]) && message.has(2, &[0, 0]),
            |message| message.is_of(4, &[2, 4, 5, 11]),
        )?;
        all.all(14.0, |message| kind(message) && (message.has(2, &[0, 0]) || message.has(0, &[0, 0])))
    }),
    ("kafka", kafka),
    ("mqtt", |all| {
        let connect = |message: &Message<'_>| {
            message.has(0, &[0x10]) && (message.holds("\0\u{4}MQTT") || message.holds("\0\u{6}MQIsdp"))
        };
        let bits = all.first(50.0, connect, |message| message.has(0, &[0x20]))?;
        let fixed = |kind: u8| match kind >> 4 {
            3 => kind & 6 != 6,
            6 | 8 | 10 => kind & 15 == 2,
            0 => false,
            _ => kind & 15 == 0,
        };
        Some(bits + all.all(4.0, |message| message.byte(0).is_some_and(fixed))?)
    }),
    ("amqp", |all| amqp(all, &[&[0, 0, 9, 1], &[1, 1, 0, 9], &[1, 1, 9, 1], &[1, 1, 8, 0]])),
    ("amqp1", |all| amqp(all, &[&[0, 1, 0, 0], &[2, 1, 0, 0], &[3, 1, 0, 0]])),
    ("pulsar", |all| {
        let command = |message: &Message<'_>| {
            message.be(4, 4).is_some_and(|size| size as usize + 8 <= message.length && size > 1)
        };
        all.all(20.0, |message| command(message) && message.has(8, &[8]) && message.is_in(9, 2..=80))
    }),
    ("rocketmq", |all| {
        all.all(28.0, |message| message.is_in(4, 0..=1) && message.has(5, &[0]) && message.has(8, b"{\""))
    }),
    ("openwire", |all| {
        let info = |message: &Message<'_>| message.has(4, &[1]) && message.has(5, b"ActiveMQ");
        (all.request().is_some() || all.answer().is_some()).then_some(())?;
        all.first(60.0, info, info)
    }),
    ("rabbitmq-stream", |all| {
        let key = |key: u32| matches!(key & 0x7fff, 1..=0x1f);
        // An answer has the topmost bit, and a client asks first.
        every(all.client.first(), 0.0, |message| message.be(4, 2).is_some_and(|key| key < 0x8000))?;
        all.client.first().or(all.server.first().filter(|_| !all.whole))?;
        all.all(22.0, |message| {
            let version = message.be(6, 2);
            message.be(4, 2).is_some_and(key) && version.is_some_and(|version| matches!(version, 1 | 2))
        })
    }),
    ("gearman", |all| {
        let [asks, answers] = [&b"\0REQ"[..], b"\0RES"];
        let sent = every(&all.client, 36.0, |message| message.has(0, asks))?;
        Some(sent + every(&all.server, 36.0, |message| message.has(0, answers))?)
    }),
    ("smpp", |all| {
        let command =
            |code: u32| matches!(code & 0x7fff_ffff, 0..=9 | 0x0b | 0x15 | 0x21 | 0x102 | 0x103 | 0x111 | 0x112);
        let status = |message: &Message<'_>| message.be(8, 4).is_some_and(|status| status < 0x600);
        all.all(28.0, |message| message.be(4, 4).is_some_and(command) && status(message))
    }),
    ("zmtp", |all| {
        let greeting = |message: &Message<'_>| message.has(0, &[0xff]) && message.has(9, &[0x7f, 3]);
        all.request().or(all.answer())?;
        all.first(30.0, greeting, greeting)
    }),
    ("nanomsg", |all| {
        let header = |message: &Message<'_>| message.has(0, b"\0SP\0") && message.has(6, &[0, 0]);
        all.request().or(all.answer())?;
        all.first(40.0, header, header)
    }),
    ("iso8583", |all| {
        let mti = |message: &Message<'_>| {
            message.is_in(2, 1..=8) && message.byte(3).is_some_and(|class| class & 15 <= 5 && class >> 4 <= 5)
        };
        let digits = |message: &Message<'_>| {
            message.is_in(2, b'0'..=b'2')
                && message.is_in(3, b'1'..=b'8')
                && message.is_in(4, b'0'..=b'5')
                && message.is_in(5, b'0'..=b'5')
        };
        all.all(6.0, |message| mti(message) || digits(message))
    }),
    ("thrift", |all| {
        let strict = |message: &Message<'_>| message.has(4, &[0x80, 1, 0]) && message.is_in(7, 1..=4);
        let compact = |message: &Message<'_>| {
            message.has(4, &[0x82]) && message.byte(5).is_some_and(|version| version & 0x1f == 1)
        };
        all.all(20.0, |message| strict(message) || compact(message))
    }),
    ("dubbo", |all| all.all(20.0, |message| message.has(0, &[0xda, 0xbb]))),
    ("giop", |all| all.all(36.0, |message| message.has(0, b"GIOP") && message.has(4, &[1]) && message.is_in(7, 0..=7))),
    ("fastcgi", |all| {
        all.first(
            20.0,
            |message| message.has(0, &[1, 1]) && message.has(4, &[0, 8]),
            |message| message.is_of(1, &[3, 6, 7, 10, 11]),
        )?;
        all.all(14.0, |message| message.has(0, &[1]) && message.is_in(1, 1..=11))
    }),
    ("nfs", |all| {
        let asked = every(&all.client, 44.0, |message| message.has(8, &[0; 4]) && message.has(12, &[0, 0, 0, 2]))?;
        Some(asked + every(&all.server, 24.0, |message| message.has(8, &[0, 0, 0, 1]) && message.has(12, &[0, 0, 0]))?)
    }),
    ("smb", |all| {
        let smb = |message: &Message<'_>| message.is_in(4, 0xfc..=0xff) && message.has(5, b"SMB");
        all.both().any(smb).then_some(())?;
        all.all(30.0, |message| message.has(0, &[0]) && (smb(message) || message.length == 4))
    }),
    ("netbios", |all| {
        let session = |message: &Message<'_>| message.is_of(0, &[0x81, 0x82, 0x83, 0x84, 0x85]);
        let smb =
            |message: &Message<'_>| message.has(0, &[0]) && message.is_in(4, 0xfc..=0xff) && message.has(5, b"SMB");
        all.both().any(session).then_some(())?;
        all.first(14.0, |message| message.has(0, &[0x81, 0, 0]), |message| session(message))?;
        all.all(20.0, |message| session(message) && message.length < 128 || smb(message))
    }),
    ("9p", |all| {
        all.first(50.0, |message| message.has(4, &[100, 0xff, 0xff]), |message| message.has(4, &[101, 0xff, 0xff]))?;
        let (asks, answers) = (
            every(&all.client, 8.0, |message| message.is_in(4, 6..=126))?,
            every(&all.server, 8.0, |message| message.is_in(4, 7..=127))?,
        );
        Some(asks + answers + if all.request().is_some() { 40.0 } else { 0.0 })
    }),
    ("rtmp", |all| {
        all.request()?;
        all.first(14.0, |message| message.has(0, &[3]) && message.length == 1537, |message| message.has(0, &[3]))?;
        let connects = all.client.get(2).is_some_and(|message| message.holds("connect"));
        Some(if connects { 50.0 } else { 14.0 })
    }),
    ("iscsi", |all| {
        all.request()?;
        all.first(24.0, |message| message.has(0, &[0x43]), |message| message.is_of(0, &[0x23, 0x3f]))?;
        let _ = all.all(4.0, |message| {
            message.byte(0).is_some_and(|code| matches!(code & 0x3f, 0..=6 | 0x10 | 0x20..=0x26 | 0x31 | 0x32 | 0x3f))
        })?;
        Some(24.0)
    }),
    ("dbus", |all| {
        all.request().filter(|_| all.client.get(1).is_some_and(|message| message.begins(&["AUTH"]))).map(|_| 44.0)
    }),
    ("dcerpc", |all| {
        all.all(40.0, |message| {
            message.has(0, &[5])
                && message.is_in(1, 0..=1)
                && message.is_in(2, 0..=0x13)
                && message.is_of(4, &[0, 0x10])
                && message.has(5, &[0])
                && message.has(6, &[0, 0])
        })
    }),
    ("x11", |all| {
        all.request()?;
        let setup = |message: &Message<'_>| message.has(0, b"l\0\x0b\0\0\0") || message.has(0, b"B\0\0\x0b\0\0");
        all.first(40.0, setup, |message| message.is_in(0, 0..=2))
    }),
    ("erlang", |all| {
        all.request()?;
        all.first(20.0, |message| message.is_of(2, b"nN"), |message| message.has(2, b"s"))
    }),
    ("adb", |all| {
        all.all(40.0, |message| {
            message.le(0, 4).zip(message.le(20, 4)).is_some_and(|(command, magic)| command == !magic)
        })
    }),
    ("zabbix", |all| all.all(40.0, |message| message.has(0, b"ZBXD"))),
    ("bitcoin", |all| {
        let magic = |message: &Message<'_>| message.be(0, 4);
        let first = all.both().next().and_then(magic)?;
        let known = [0xf9be_b4d9, 0xfabf_b5da, 0x0b11_0907, 0xfbc0_b6db, 0x0a03_cf40].contains(&first);
        let command = |message: &Message<'_>| message.is_in(4, b'a'..=b'z') && message.has(15, &[0]);
        all.all(if known { 40.0 } else { 16.0 }, |message| magic(message) == Some(first) && command(message))
    }),
    ("bittorrent", |all| {
        // It names the protocol, so that it tells where a connection begins, also one whose opening was not recorded.
        let handshake = |message: &Message<'_>| message.has(0, b"\x13BitTorrent protocol");
        let first = [all.client.first(), all.server.first()];
        first.iter().flatten().next()?;
        every(first.into_iter().flatten(), 70.0, handshake)
    }),
    ("minecraft", |all| {
        all.request()?;
        let next = |message: &Message<'_>| message.last().is_none_or(|state| matches!(state, 1..=3));
        all.first(
            12.0,
            |message| message.has(1, &[0]) && (10..300).contains(&message.length) && next(message),
            |message| message.is_in(2, ..) || message.is_in(1, ..),
        )
    }),
    ("rcon", |all| {
        all.first(
            24.0,
            |message| message.le(8, 4) == Some(3),
            |message| message.le(8, 4).is_some_and(|kind| kind <= 2),
        )?;
        all.all(18.0, |message| {
            message.le(8, 4).is_some_and(|kind| kind <= 3) && message.last().is_none_or(|end| end == 0)
        })
    }),
    ("python-multiprocessing", |all| {
        // Other protocols have pickles behind such a length too: the handshake of the two keys tells.
        let key = |message: &Message<'_>| ["#CHALLENGE#", "#WELCOME#"].iter().any(|word| message.holds(word));
        let asks = all.both().filter(|message| key(message)).count();
        (asks > 0).then_some(20.0 * asks.min(3) as f64)
    }),
    ("python-logging", |all| {
        every(&all.server, 0.0, |_| false)?;
        every(&all.client, 24.0, |message| message.from(4).starts_with(b"}q\0(X\x04\0\0\0name"))
    }),
    ("carbon", |all| {
        every(&all.server, 0.0, |_| false)?;
        every(&all.client, 18.0, |message| {
            message.has(4, &[0x80]) && message.is_in(5, 1..=5) && message.holds("](") || message.has(4, b"(lp")
        })
    }),
    ("arrow", |all| all.all(24.0, |message| message.has(0, &[0xff; 4]))),
    ("messagepack", |all| {
        // Calls [0, id, method, arguments], answers [1, id, error, result], notes [2, method, arguments].
        all.all(14.0, |message| {
            message.has(0, &[0x94, 0]) || message.has(0, &[0x94, 1]) || message.has(0, &[0x93, 2]) && message.length > 4
        })
    }),
];

fn postgres(all: &Dialogue<'_>) -> Option<f64> {
    const VERSIONS: [u32; 5] = [0x0003_0000, 0x0003_0002, 0x04d2_162e, 0x04d2_162f, 0x04d2_1630];
    let starts = |message: &Message<'_>| message.be(4, 4).is_some_and(|code| VERSIONS.contains(&code));
    let answers = |message: &Message<'_>| message.is_of(0, b"RENSGvK");
    let bits = all.first(40.0, starts, answers)?;
    let skipped = if all.whole { all.client.iter().take_while(|message| starts(message)).count() } else { 0 };
    let kinds = b"BCDEFHPQSXpdcf";
    let asked = every(&all.client[skipped..], 5.0, |message| message.is_of(0, kinds) && message.length >= 5)?;
    // ReadyForQuery has a fixed form.
    let ready = |message: &Message<'_>| message.has(0, b"Z\0\0\0\x05") && message.is_of(5, b"ITE");
    let is_ready = all.server.iter().any(ready);
    let answered = every(&all.server, 4.0, |message| {
        message.is_of(0, b"RKSZTDCEN123ntGHWsAVIvd")
            && (!message.has(0, b"Z") || ready(message))
            && (message.length >= 5 || all.whole)
    })?;
    Some(bits + asked + answered + if is_ready { 30.0 } else { 0.0 })
}

fn mysql(all: &Dialogue<'_>) -> Option<f64> {
    let version = |message: &Message<'_>| {
        let text: Vec<u8> = message.from(5).iter().copied().take_while(|byte| *byte != 0).collect();
        message.has(3, &[0, 0x0a])
            && text.len() > 2
            && text[0].is_ascii_digit()
            && text.iter().all(u8::is_ascii_graphic)
    };
    let greets = |message: &Message<'_>| version(message) || message.has(3, &[0, 0xff]);
    let bits = all.first(8.0, |message| message.has(3, &[1]), greets)?;
    let greeted = all.answer().is_some_and(version);
    // A command is the first packet of its exchange.
    let commands = if all.whole { all.client.get(1..).unwrap_or_default() } else { &all.client[..] };
    let numbered = every(commands, 7.0, |message| message.is_in(3, 0..=9))?;
    if !all.whole {
        every(&all.client, 0.0, |message| message.has(3, &[0]) && message.is_in(4, 0..=0x1f))?;
    }
    Some(bits + numbered.min(14.0) + if greeted { 50.0 } else { 0.0 })
}

fn cassandra(all: &Dialogue<'_>, versions: std::ops::RangeInclusive<u8>) -> Option<f64> {
    let asks = |message: &Message<'_>| {
        message.is_in(0, versions.clone()) && message.is_in(1, 0..=0x1f) && message.is_in(4, 0..=0x10)
    };
    let answers = |message: &Message<'_>| {
        message.byte(0).is_some_and(|byte| byte & 0x80 > 0 && versions.contains(&(byte & 0x7f)))
    };
    all.first(10.0, |message| message.is_of(4, &[1, 5]), |message| message.is_of(4, &[0, 2, 3, 6]))?;
    Some(
        every(&all.client, 14.0, asks)?
            + every(&all.server, 14.0, |message| answers(message) && message.is_in(4, 0..=0x10))?,
    )
}

/// Requests name what is called; an answer has the number of its request.
fn kafka(all: &Dialogue<'_>) -> Option<f64> {
    let client = |message: &Message<'_>| {
        let name = message.be(12, 2).unwrap_or(0xffff);
        name == 0xffff
            || usize::try_from(name).is_ok_and(|name| {
                name + 14 <= message.length && message.from(14).iter().take(name).all(u8::is_ascii_graphic)
            })
    };
    let kind = |message: &Message<'_>| {
        message.be(4, 2).is_some_and(|key| key <= 92) && message.be(6, 2).is_some_and(|version| version <= 20)
    };
    let asked = every(&all.client, 18.0, |message| message.length >= 14 && kind(message) && client(message))?;
    let pairs = all.client.iter().zip(&all.server);
    let same = pairs.filter(|(asked, answer)| asked.be(8, 4) == answer.be(4, 4)).count();
    match (all.client.is_empty(), all.server.is_empty(), same) {
        (true, ..) => None,
        (_, true, _) => Some(asked),
        (_, _, 0) if all.whole => None,
        (.., same) => Some(asked + 20.0 * same.min(3) as f64),
    }
}

/// Both sides begin with a protocol header, or with frames if the other side's version suits them.
fn amqp(all: &Dialogue<'_>, versions: &[&[u8]]) -> Option<f64> {
    let header =
        |message: &Message<'_>| message.has(0, b"AMQP") && versions.iter().any(|version| message.has(4, version));
    all.request().filter(|message| header(message)).map(|_| 60.0)
}
