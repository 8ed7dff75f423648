// streams.cpp: watches every stream of a simulation, compares what is taken with what is expected, reports.
//
// sim/harness.v.j2 calls these functions through DPI, once a cycle for each stream that offers a beat or
// held one up. One compiled object serves every design, which is why this is not Verilog: a monitor
// module would be compiled again for every width and name.
//
// The list of streams is a text file, a line each, fields apart by blanks, `-` for none:
//     name width frames total stored file capture [H W GROUPS WORDS KH KW SH SW DH DW REPEAT]
// `file` holds `stored` expected beats, {tlast, tdata} in hex, and starts over after the last; `total` is
// how many may come; `frames` asks for the cycles of first and last beats; `capture` receives every beat
// taken. A stream with a window compares the output of qc_window with the padded raster that goes into
// it: the loops are those of docs/hardware.md, outermost first oy, ox, group, repeat, kh, kw, word.
//
// Checked besides: a stalled beat stays valid and holds still; no beat comes after the last expected.
// The report is lines of JSON: the first mismatch, extra beat and protocol fault of each stream, resets,
// and at the end a summary.
//
// SPDX-License-Identifier: Apache-2.0

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "svdpi.h"

#ifdef __GNUC__
#pragma GCC optimize("O2")  // whatever the design is compiled with: this is compiled once
#endif

namespace {

using Words = std::vector<uint32_t>;

[[noreturn]] void die(const std::string& what) {
    std::fprintf(stderr, "%%Error: %s\n", what.c_str());
    std::exit(1);
}

std::FILE* open_file(const char* path, const char* mode) {
    std::FILE* file = std::fopen(path, mode);
    if (!file) die(std::string("cannot open ") + path);
    return file;
}

int digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

bool bit(const uint32_t* words, unsigned at) { return words[at / 32] >> (at % 32) & 1; }

struct Window {
    int h = 0, w, groups, words, kh, kw, sh, sw, dh, dw, repeat;
    int oh = 0, ow = 0;
    int y = 0, x = 0, g = 0, r = 0, i = 0, j = 0, k = 0;

    void start() { y = x = g = r = i = j = k = 0; }
    long raster() const { return long(h) * w * groups * words; }
    long address() const {
        return ((long(y) * sh + i * dh) * w + x * sw + j * dw) * groups * words + g * words + k;
    }
    bool last() const {
        return y == oh - 1 && x == ow - 1 && g == groups - 1 && r == repeat - 1 && i == kh - 1 &&
               j == kw - 1 && k == words - 1;
    }
    // Steps on to the next beat; true where that is the first of a frame.
    bool step() {
        if (++k < words) return false;
        k = 0;
        if (++j < kw) return false;
        j = 0;
        if (++i < kh) return false;
        i = 0;
        if (++r < repeat) return false;
        r = 0;
        if (++g < groups) return false;
        g = 0;
        if (++x < ow) return false;
        x = 0;
        if (++y < oh) return false;
        y = 0;
        return true;
    }
};

struct Stream {
    std::string name;
    unsigned width = 0, words = 0;
    bool frames = false, bounded = false, windowed = false;
    uint64_t total = 0, stored = 0;
    Words beats;  // of the file, `words` for each, {tlast, tdata} cut in two
    std::vector<bool> lasts;
    Window window;
    std::string capture_path;
    std::FILE* capture = nullptr;

    uint64_t accepted = 0, blocked = 0, frame = 0;
    uint64_t switched = 0, ones = 0;  // bits that differ from the beat before, and that are set
    uint64_t base = 0;  // where the file's current frame (of a window) or beat begins
    bool at_start = true, held = false, held_last = false;
    bool mismatched = false, faulted = false, overrun = false;
    Words held_data, before;

    void load(const char* path);
    void start();
    void step();
    bool observe(uint64_t cycle, bool valid, bool ready, bool last, const uint32_t* data);
    bool take(uint64_t cycle, bool last, const uint32_t* data);
    bool compare(uint64_t cycle, bool last, const uint32_t* data);
    void count(const uint32_t* data);
    std::string hex(const uint32_t* data, int extra = -1) const;
};

std::vector<Stream> streams;
std::FILE* report = nullptr;
size_t unfinished = 0;  // streams that have beats to come
bool moved = false;     // a beat was taken since the last qc_state
bool failed = false;

// The beat in hex; with `extra` 0 or 1, of {extra, data}.
std::string Stream::hex(const uint32_t* data, int extra) const {
    unsigned bits = width + (extra >= 0);
    std::string text;
    for (unsigned at = (bits + 3) / 4; at-- > 0;) {
        unsigned value = 0;
        for (unsigned b = 0; b < 4; ++b) {
            unsigned place = 4 * at + b;
            bool set = place < width ? bit(data, place) : place == width && extra == 1;
            value |= unsigned(set) << b;
        }
        text += "0123456789abcdef"[value];
    }
    return text;
}

void Stream::load(const char* path) {
    std::FILE* file = open_file(path, "r");
    beats.assign(stored * words, 0);
    lasts.assign(stored, false);
    std::vector<char> line(width / 4 + 8);
    for (uint64_t n = 0; n < stored; ++n) {
        if (!std::fgets(line.data(), int(line.size()), file))
            die(name + ": " + path + " ends after " + std::to_string(n) + " beats");
        size_t length = std::strcspn(line.data(), "\n");
        for (size_t at = 0; at < length; ++at) {
            int value = digit(line[length - 1 - at]);
            if (value < 0) die(name + ": " + path + " is not hex: " + line.data());
            for (unsigned b = 0; b < 4; ++b) {
                unsigned place = unsigned(4 * at + b);
                if (!(value >> b & 1)) continue;
                if (place < width) beats[n * words + place / 32] |= 1u << (place % 32);
                if (place == width) lasts[n] = true;
            }
        }
    }
    std::fclose(file);
}

void Stream::start() {
    accepted = blocked = frame = base = switched = ones = 0;
    at_start = true;
    held = false;
    if (windowed) window.start();
}

void Stream::step() {
    uint64_t stride = 1;
    if (windowed) {
        if (!window.step()) return;
        stride = uint64_t(window.raster());
    }
    base += stride;
    if (base >= stored) base = 0;
}

// One cycle; true when the stream fails in it.
bool Stream::observe(uint64_t cycle, bool valid, bool ready, bool last, const uint32_t* data) {
    bool wrong = false;
    if (held && !faulted) {
        bool data_moved = std::memcmp(data, held_data.data(), words * sizeof *data) != 0;
        if (!valid || data_moved || last != held_last) {
            faulted = wrong = true;
            std::fprintf(report,
                         "{\"event\":\"protocol\",\"stream\":\"%s\",\"cycle\":%" PRIu64
                         ",\"index\":%" PRIu64 ",\"fault\":\"%s\",\"held\":\"%s\",\"got\":\"%s\"}\n",
                         name.c_str(), cycle, accepted,
                         !valid ? "withdrawn" : data_moved ? "data" : "last",
                         hex(held_data.data(), held_last).c_str(), hex(data, last).c_str());
        }
    }
    held = valid && !ready;
    if (held) {
        ++blocked;
        std::memcpy(held_data.data(), data, words * sizeof *data);
        held_last = last;
    }
    return (valid && ready && take(cycle, last, data)) || wrong;
}

// A transfer; true when it is the first wrong one or the first too many.
bool Stream::take(uint64_t cycle, bool last, const uint32_t* data) {
    moved = true;
    bool wrong = compare(cycle, last, data);
    count(data);
    if (frames && at_start)
        std::fprintf(report,
                     "{\"event\":\"start\",\"stream\":\"%s\",\"cycle\":%" PRIu64 ",\"frame\":%" PRIu64 "}\n",
                     name.c_str(), cycle, frame);
    if (frames && last)
        std::fprintf(report,
                     "{\"event\":\"end\",\"stream\":\"%s\",\"cycle\":%" PRIu64 ",\"frame\":%" PRIu64 "}\n",
                     name.c_str(), cycle, frame);
    if (capture) std::fprintf(capture, "%s\n", hex(data, last).c_str());
    at_start = last;
    frame += last;
    if (bounded && accepted + 1 == total) --unfinished;
    ++accepted;
    if (stored) step();
    return wrong;
}

// Hamming distance to the beat before, and weight; the first beat has none before it.
void Stream::count(const uint32_t* data) {
    for (unsigned word = 0; word < words; ++word) {
        if (accepted) switched += uint64_t(__builtin_popcount(data[word] ^ before[word]));
        ones += uint64_t(__builtin_popcount(data[word]));
        before[word] = data[word];
    }
}

bool Stream::compare(uint64_t cycle, bool last, const uint32_t* data) {
    const char* form =
        "{\"event\":\"mismatch\",\"stream\":\"%s\",\"cycle\":%" PRIu64 ",\"index\":%" PRIu64
        ",\"got\":\"%s\",\"got_last\":%d,\"expected\":%s,\"expected_last\":%d}\n";
    if (bounded && accepted >= total) {
        if (overrun) return false;
        overrun = true;
        std::fprintf(report, form, name.c_str(), cycle, accepted, hex(data).c_str(), last, "null", 0);
        return true;
    }
    if (!stored || mismatched) return false;
    uint64_t at = windowed ? base + uint64_t(window.address()) : base;
    bool wanted_last = windowed ? window.last() : bool(lasts[at]);
    const uint32_t* wanted = &beats[at * words];
    if (last == wanted_last && std::memcmp(data, wanted, words * sizeof *data) == 0) return false;
    mismatched = true;
    std::fprintf(report, form, name.c_str(), cycle, accepted, hex(data).c_str(), last,
                 ('"' + hex(wanted) + '"').c_str(), wanted_last);
    return true;
}

Stream parse(char* line) {
    std::vector<std::string> fields;
    for (char* word = std::strtok(line, " \n"); word; word = std::strtok(nullptr, " \n"))
        fields.emplace_back(word);
    if (fields.size() != 7 && fields.size() != 18) die("a stream has 7 or 18 fields");
    Stream s;
    s.name = fields[0];
    s.width = unsigned(std::stoul(fields[1]));
    s.words = (s.width + 31) / 32;
    s.held_data.assign(s.words, 0);
    s.before.assign(s.words, 0);
    s.frames = fields[2] == "1";
    s.bounded = fields[3] != "-";
    if (s.bounded) s.total = std::stoull(fields[3]);
    s.stored = std::stoull(fields[4]);
    if (s.stored) s.load(fields[5].c_str());
    if (fields[6] != "-") {
        s.capture_path = fields[6];
        s.capture = open_file(fields[6].c_str(), "w");
    }
    s.windowed = fields.size() == 18;
    if (s.windowed) {
        Window& w = s.window;
        int* into[] = {&w.h,  &w.w,  &w.groups, &w.words, &w.kh,    &w.kw,
                       &w.sh, &w.sw, &w.dh,     &w.dw,    &w.repeat};
        for (size_t n = 0; n < 11; ++n) *into[n] = std::stoi(fields[7 + n]);
        w.oh = (w.h - ((w.kh - 1) * w.dh + 1)) / w.sh + 1;
        w.ow = (w.w - ((w.kw - 1) * w.dw + 1)) / w.sw + 1;
    }
    return s;
}

}  // namespace

extern "C" {

void qc_reset();

void qc_open(const char* list, const char* report_path) {
    report = open_file(report_path, "w");
    std::FILE* file = open_file(list, "r");
    std::vector<char> line(1 << 16);
    while (std::fgets(line.data(), int(line.size()), file)) streams.push_back(parse(line.data()));
    std::fclose(file);
    qc_reset();
}

// In every cycle of a reset: all streams start over, faults stay.
void qc_reset() {
    unfinished = 0;
    for (Stream& s : streams) {
        s.start();
        unfinished += s.bounded && s.total > 0;
    }
}

// Once after the reset in mid-run: what was captured before it does not count.
void qc_restarted(long long cycle) {
    for (Stream& s : streams) {
        if (!s.capture) continue;
        std::fclose(s.capture);
        s.capture = open_file(s.capture_path.c_str(), "w");
    }
    std::fprintf(report, "{\"event\":\"reset\",\"cycle\":%lld}\n", cycle);
}

// Bit 0: a beat was taken since the last call; bit 1: every stream is complete; bit 2: one failed.
int qc_state() {
    int state = int(moved) | int(unfinished == 0) << 1 | int(failed) << 2;
    moved = false;
    return state;
}

void qc_summary(int id, int valid, int ready) {
    Stream& s = streams[size_t(id)];
    std::fprintf(report,
                 "{\"event\":\"summary\",\"stream\":\"%s\",\"accepted\":%" PRIu64 ",\"blocked\":%" PRIu64
                 ",\"switched\":%" PRIu64 ",\"ones\":%" PRIu64 ",\"valid\":%d,\"ready\":%d}\n",
                 s.name.c_str(), s.accepted, s.blocked, s.switched, s.ones, valid, ready);
    if (s.capture) std::fclose(s.capture);
    s.capture = nullptr;
}

void qc_close() {
    std::fclose(report);
    report = nullptr;
}

// wires: bit 0 tvalid, bit 1 tready, bit 2 tlast. One function for each width that a call may have.
#define QC_OBSERVE(BITS)                                                                         \
    void qc_observe_##BITS(int id, long long cycle, int wires, const svBitVecVal* data) {        \
        if (streams[size_t(id)].observe(uint64_t(cycle), wires & 1, wires & 2, wires & 4, data)) \
            failed = true;                                                                       \
    }
QC_OBSERVE(32)
QC_OBSERVE(64)
QC_OBSERVE(128)
QC_OBSERVE(256)
QC_OBSERVE(512)
QC_OBSERVE(1024)
QC_OBSERVE(2048)
QC_OBSERVE(4096)
QC_OBSERVE(8192)
QC_OBSERVE(16384)
QC_OBSERVE(32768)
QC_OBSERVE(65536)

}  // extern "C"
