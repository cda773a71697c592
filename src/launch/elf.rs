//! The header of an ELF file, as far as it tells why the kernel does not run it: elf(5).

/// What the first bytes of an ELF file say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elf {
    is_64_bit: bool,
    is_little_endian: bool,
    /// `e_machine`, the processor architecture
    machine: u16,
    /// `e_phoff`, `e_phentsize`, `e_phnum`: the program headers
    headers: (u64, u16, u16),
}

/// `p_type` of the header that names the interpreter.
const PT_INTERP: u32 = 3;

impl Elf {
    /// Reads the start of a file; `None` where it is no ELF file.
    pub fn parse(start: &[u8]) -> Option<Elf> {
        let [0x7f, b'E', b'L', b'F', class, order, ..] = start else { return None };
        // Of a file that ends amid its header the rest is nothing.
        let mut elf =
            Elf { is_64_bit: *class == 2, is_little_endian: *order != 2, machine: 0, headers: (0, 0, 0) };
        elf.machine = elf.half(start, 18).unwrap_or(0);
        let headers = if elf.is_64_bit {
            (elf.word(start, 32, true), elf.half(start, 54), elf.half(start, 56))
        } else {
            (elf.word(start, 28, false), elf.half(start, 42), elf.half(start, 44))
        };
        if let (Some(at), Some(size), Some(count)) = headers {
            elf.headers = (at, size, count);
        }
        Some(elf)
    }

    /// The interpreter (the dynamic linker) that the file names, where that stands in `start`.
    pub fn interpreter<'a>(&self, start: &'a [u8]) -> Option<&'a [u8]> {
        let (at, size, count) = self.headers;
        let at = usize::try_from(at).ok()?;
        let header = (0..usize::from(count)).map_while(|number| {
            let offset = at.checked_add(number.checked_mul(usize::from(size))?)?;
            start.get(offset..)
        });
        let (offset, length) =
            header.filter(|header| self.long(header, 0) == Some(PT_INTERP)).find_map(|header| {
                let (offset, length) = if self.is_64_bit { (8, 32) } else { (4, 16) };
                Some((self.word(header, offset, self.is_64_bit)?, self.word(header, length, self.is_64_bit)?))
            })?;
        let offset = usize::try_from(offset).ok()?;
        let name = start.get(offset..offset.checked_add(usize::try_from(length).ok()?)?)?;
        name.split(|byte| *byte == 0).next().filter(|name| !name.is_empty())
    }

    /// Whether a kernel whose uname(2) says `machine` runs such files of its own; `None` where `machine` is
    /// not one of those known here.
    pub fn is_for(&self, machine: &str) -> Option<bool> {
        let mut known = NAMES.iter().filter(|(_, _, names)| names.contains(&machine)).peekable();
        known.peek()?;
        Some(known.any(|(number, is_64_bit, _)| (*number, *is_64_bit) == (self.machine, self.is_64_bit)))
    }

    /// What it is for, by the name that uname(2) has for it: `aarch64`, or the number of the architecture.
    pub fn machine(&self) -> String {
        let known = NAMES
            .iter()
            .find(|(number, is_64_bit, _)| (*number, *is_64_bit) == (self.machine, self.is_64_bit));
        match known.and_then(|(_, _, names)| names.first()) {
            Some(name) => (*name).to_owned(),
            None => format!(
                "another machine (e_machine {}, {} bit)",
                self.machine,
                if self.is_64_bit { 64 } else { 32 }
            ),
        }
    }

    fn bytes<const N: usize>(start: &[u8], at: usize) -> Option<[u8; N]> {
        start.get(at..at.checked_add(N)?)?.try_into().ok()
    }

    fn half(&self, start: &[u8], at: usize) -> Option<u16> {
        let bytes = Elf::bytes(start, at)?;
        Some(if self.is_little_endian { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    }

    fn long(&self, start: &[u8], at: usize) -> Option<u32> {
        let bytes = Elf::bytes(start, at)?;
        Some(if self.is_little_endian { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    }

    /// An address or an offset, which is as wide as the file's class.
    fn word(&self, start: &[u8], at: usize, is_64_bit: bool) -> Option<u64> {
        if !is_64_bit {
            return self.long(start, at).map(u64::from);
        }
        let bytes = Elf::bytes(start, at)?;
        Some(if self.is_little_endian { u64::from_le_bytes(bytes) } else { u64::from_be_bytes(bytes) })
    }
}

/// `e_machine` (elf.h), whether the file is of 64 bits, and the names that uname(2) has for machines that run
/// it.
const NAMES: [(u16, bool, &[&str]); 9] = [
    (62, true, &["x86_64"]),
    (3, false, &["i386", "i486", "i586", "i686"]),
    (183, true, &["aarch64"]),
    (40, false, &["armv7l", "armv6l", "armv8l", "arm"]),
    (243, true, &["riscv64"]),
    (22, true, &["s390x"]),
    (21, true, &["ppc64le", "ppc64"]),
    (258, true, &["loongarch64"]),
    (8, true, &["mips64"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// A header with one program header, which names an interpreter.
    fn file(is_64_bit: bool, little: bool, machine: u16, interpreter: &str) -> Vec<u8> {
        let mut file = vec![0; 256];
        file[..6].copy_from_slice(&[0x7f, b'E', b'L', b'F', 1 + u8::from(is_64_bit), 2 - u8::from(little)]);
        let mut put = |at: usize, value: u64, width: usize| {
            let bytes = if little {
                value.to_le_bytes()[..width].to_vec()
            } else {
                value.to_be_bytes()[8 - width..].to_vec()
            };
            file[at..at + width].copy_from_slice(&bytes);
        };
        let wide = if is_64_bit { 8 } else { 4 };
        put(18, machine.into(), 2);
        put(if is_64_bit { 32 } else { 28 }, 64, wide);
        put(if is_64_bit { 54 } else { 42 }, 56, 2);
        put(if is_64_bit { 56 } else { 44 }, 1, 2);
        put(64, PT_INTERP.into(), 4);
        put(64 + if is_64_bit { 8 } else { 4 }, 128, wide);
        put(64 + if is_64_bit { 32 } else { 16 }, interpreter.len() as u64 + 1, wide);
        file[128..128 + interpreter.len()].copy_from_slice(interpreter.as_bytes());
        file
    }

    #[test]
    fn a_file_tells_its_machine_and_its_interpreter() {
        for (is_64_bit, little, number, name) in [
            (true, true, 62, "x86_64"),
            (true, true, 183, "aarch64"),
            (false, true, 3, "i386"),
            (true, false, 22, "s390x"),
        ] {
            let file = file(is_64_bit, little, number, "/lib/ld.so.1");
            let elf = Elf::parse(&file).expect("ELF");
            assert_eq!(elf.machine(), name);
            assert_eq!(elf.interpreter(&file), Some(&b"/lib/ld.so.1"[..]), "{name}");
            assert_eq!(elf.is_for(name), Some(true));
            assert_eq!(elf.is_for("armv7l"), Some(false));
            assert_eq!(elf.is_for("unheard-of"), None);
        }
    }

    #[test]
    fn any_part_of_a_file_can_be_missing() {
        let whole = file(true, true, 62, "/lib/ld.so.1");
        for length in 0..whole.len() {
            let start = &whole[..length];
            let elf = Elf::parse(start);
            assert_eq!(elf.is_some(), length >= 6);
            if let Some(elf) = elf {
                let told = elf.interpreter(start);
                assert!(told.is_none() || told == Some(b"/lib/ld.so.1"), "{length}");
            }
        }
        let mut wrong = whole.clone();
        wrong[32..40].fill(0xff);
        assert_eq!(Elf::parse(&wrong).and_then(|elf| elf.interpreter(&wrong)), None);
    }

    #[test]
    fn this_test_is_for_this_machine() {
        let file = std::fs::read("/proc/self/exe").expect("our own file");
        let elf = Elf::parse(&file).expect("ELF");
        let machine = nix::sys::utsname::uname().expect("uname").machine().to_string_lossy().into_owned();
        assert_eq!(elf.is_for(&machine), Some(true), "{machine}");
    }
}
