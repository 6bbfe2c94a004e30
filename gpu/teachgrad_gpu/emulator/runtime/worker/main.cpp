// The worker: a process that runs kernels, so that a wrong one takes nothing else down with it.
//
// It shares the memory of arrays with the interpreter that started it, and answers one request after the other until
// that interpreter is gone.
#include <dlfcn.h>
#include <map>
#include <memory>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <string>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

#include "checker.h"
#include "events.h"
#include "faults.h"
#include "heap.h"
#include "output.h"
#include "protocol.h"
#include "sandbox.h"
#include "scheduler.h"

namespace tg {
namespace {
struct Segment { char* base; size_t size; };
std::map<uint64_t, Segment> segments;
struct Loaded {
    const tg_library* contents;
    uint64_t base, size;
    std::unique_ptr<Layout> shared;
};
std::vector<Loaded> libraries;
int channel;

// The fields of a request, one after the other.
struct Reader {
    const char* at;
    const char* end;
    template <class T> T take() {
        T value{};
        if (at + sizeof(T) <= end) memcpy(&value, at, sizeof(T));
        at += sizeof(T);
        return value;
    }
};

void say(const std::string& text) { answer(channel, ERROR, text.data(), text.size()); }
void done() { answer(channel, OK, nullptr, 0); }

void add_segment(Reader in, int descriptor) {
    uint64_t name = in.take<uint64_t>(), size = in.take<uint64_t>(), wanted = in.take<uint64_t>();
    // Where the interpreter has it, so that an address there is one here; elsewhere if that place is taken.
    void* base = mmap((void*)wanted, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    close(descriptor);
    if (base == MAP_FAILED) return say("cannot map shared memory");
    segments[name] = {static_cast<char*>(base), size};
    bool same = base == (void*)wanted;
    answer(channel, OK, &same, sizeof same);
}

void forget_segment(Reader in) {
    auto found = segments.find(in.take<uint64_t>());
    if (found != segments.end()) munmap(found->second.base, found->second.size), segments.erase(found);
    done();
}

std::string described(const tg_library& library) {
    std::string text;
    for (unsigned i = 0; i < library.entry_count; i++) {
        const tg_entry& entry = library.entries[i];
        text += std::string("entry\t") + entry.name + "\n";
        for (unsigned k = 0; k < entry.count; k++) {
            const tg_parameter& p = entry.parameters[k];
            text += "parameter\t" + std::to_string(p.pointer) + "\t" + std::to_string(p.constant) + "\t" +
                    std::to_string(p.floating) + "\t" + std::to_string(p.size) + "\t" + p.type + "\n";
        }
    }
    for (unsigned i = 0; i < library.symbol_count; i++) {
        const tg_symbol& s = library.symbols[i];
        text += std::string("symbol\t") + s.name + "\t" + std::to_string(s.size) + "\t" + std::to_string(s.element) +
                "\t" + std::to_string(s.shape[0]) + " " + std::to_string(s.shape[1]) + " " +
                std::to_string(s.shape[2]) + "\t" + std::to_string(s.constant) + "\t" + s.type + "\n";
    }
    return text;
}

void load(const Message& message) {
    std::string path(message.bytes.begin(), message.bytes.end());
    auto shared = std::make_unique<Layout>();
    layout = shared.get();
    void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!handle) return say(dlerror());
    auto* library = static_cast<const tg_library*>(dlsym(handle, "tg_contents"));
    if (!library) return say(path + " is not a compiled kernel");
    Dl_info info;
    dladdr(library, &info);
    find_images();
    libraries.push_back({library, (uint64_t)info.dli_fbase, image_size((uintptr_t)info.dli_fbase), std::move(shared)});
    std::string text = described(*library);
    answer(channel, OK, text.data(), text.size());
}

const tg_symbol* symbol_of(Reader& in) {
    uint32_t library = in.take<uint32_t>(), index = in.take<uint32_t>();
    if (library >= libraries.size() || index >= libraries[library].contents->symbol_count) return nullptr;
    return &libraries[library].contents->symbols[index];
}

void read_symbol(Reader in) {
    const tg_symbol* symbol = symbol_of(in);
    if (!symbol) return say("there is no such variable");
    answer(channel, OK, symbol->address, symbol->size);
}

void write_symbol(Reader in) {
    const tg_symbol* symbol = symbol_of(in);
    uint64_t offset = in.take<uint64_t>();
    size_t size = in.end - in.at;
    if (!symbol || offset > symbol->size || size > symbol->size - offset) return say("it does not fit the variable");
    memcpy(static_cast<char*>(symbol->address) + offset, in.at, size);
    done();
}

// A pointer names a segment, an offset in it, and how many bytes from there on belong to the array; a scalar is its
// bytes.
struct Arguments {
    std::vector<std::vector<char>> bytes;
    std::vector<void*> places;
    std::vector<Region> arrays;
};

bool read_arguments(Reader& in, const tg_entry& entry, Arguments& out) {
    out.bytes.resize(entry.count);
    out.places.resize(entry.count + 1);
    out.arrays.clear();
    for (unsigned i = 0; i < entry.count; i++) {
        uint64_t segment = in.take<uint64_t>(), offset = in.take<uint64_t>(), size = in.take<uint64_t>();
        std::vector<char>& here = out.bytes[i];
        here.resize(entry.parameters[i].size + 16);
        if (entry.parameters[i].pointer) {
            char* address = nullptr;
            if (segment) {
                auto found = segments.find(segment);
                if (found == segments.end()) return false;
                if (offset > found->second.size || size > found->second.size - offset) return false;
                address = found->second.base + offset;
                out.arrays.push_back({(uintptr_t)address, size, Space::GLOBAL, (int)i, 'a', true, nullptr});
            }
            memcpy(here.data(), &address, sizeof address);
        } else {
            if (size != entry.parameters[i].size || (size_t)(in.end - in.at) < size) return false;
            memcpy(here.data(), in.at, size);
            in.at += size;
        }
        out.places[i] = here.data();
    }
    uint32_t more = in.take<uint32_t>();  // arrays that arguments hold the addresses of
    for (uint32_t i = 0; i < more && in.at < in.end; i++) {
        uint64_t segment = in.take<uint64_t>(), offset = in.take<uint64_t>(), size = in.take<uint64_t>();
        auto found = segments.find(segment);
        if (found == segments.end() || offset > found->second.size || size > found->second.size - offset) return false;
        uintptr_t low = (uintptr_t)found->second.base + offset;
        out.arrays.push_back({low, size, Space::GLOBAL, (int)(entry.count + i), 'a', true, nullptr});
    }
    return true;
}

void run_kernel(Reader in) {
    uint32_t library = in.take<uint32_t>(), entry = in.take<uint32_t>();
    if (library >= libraries.size() || entry >= libraries[library].contents->entry_count)
        return say("there is no such kernel");
    Launch what{};
    layout = libraries[library].shared.get();
    what.base = libraries[library].base, what.size = libraries[library].size;
    what.library = libraries[library].contents, what.entry = &what.library->entries[entry];
    for (unsigned& n : what.grid) n = in.take<uint32_t>();
    for (unsigned& n : what.block) n = in.take<uint32_t>();
    what.shared = in.take<uint32_t>();
    what.checked = in.take<uint32_t>();
    what.cooperative = in.take<uint32_t>();
    what.seed = in.take<uint64_t>();
    what.recorded = in.take<uint64_t>();
    double limit = in.take<double>();
    static Arguments arguments;
    if (!read_arguments(in, *what.entry, arguments)) return say("the arguments do not fit the kernel");
    what.arguments = arguments.places.data();
    printed.clear();
    unprinted = 0;
    start_clock(limit);
    events_launch(what.recorded);
    launch = what;
    heap_launch();
    if (what.checked) check_launch(arguments.arrays);
    bool completed = run(what);
    stop_clock();
    heap_ends(arguments.arrays);
    if (what.checked) {
        report_failure();
        std::string text = check_report();
        answer(channel, REPORT, text.data(), text.size());
        answer(channel, EVENTS, events().data(), events().size() * sizeof(Event));
    } else if (!completed) {
        answer_failure(channel, failure.place, false);
    }
    std::vector<char> tail(sizeof unprinted);
    memcpy(tail.data(), &unprinted, sizeof unprinted);
    tail.insert(tail.end(), printed.begin(), printed.end());
    answer(channel, OK, tail.data(), tail.size());
}

void serve() {
    Message message;
    while (receive(channel, message)) {
        Reader in{message.bytes.data(), message.bytes.data() + message.bytes.size()};
        switch (message.kind) {
            case HELLO: answer(channel, OK, fiber_switch(), strlen(fiber_switch())); break;
            case SEGMENT: add_segment(in, message.descriptor); break;
            case FORGET: forget_segment(in); break;
            case LOAD: load(message); break;
            case RUN: run_kernel(in); break;
            case READ_VARIABLE: read_symbol(in); break;
            case WRITE_VARIABLE: write_symbol(in); break;
            default: say("what is that?");
        }
    }
}
}  // namespace
}  // namespace tg

int main(int count, char** words) {
    if (count != 2) return 2;
    tg::channel = atoi(words[1]);
    tg::catch_faults(tg::channel);
    tg::keep_inside();
    tg::serve();
    return 0;
}
