// C++: threads, futures, exceptions, containers, streams.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <future>
#include <iomanip>
#include <iostream>
#include <map>
#include <mutex>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

struct Guard {
    int &n;
    ~Guard() { n++; }
};

static int thrower(int depth, int &unwound) {
    Guard g{unwound};
    if (depth == 0) throw std::runtime_error("deep");
    return thrower(depth - 1, unwound) + 1;
}

int main() {
    std::vector<std::thread> threads;
    std::atomic<long> sum{0};
    std::mutex mutex;
    std::map<int, std::string> names;
    for (int i = 0; i < 6; i++)
        threads.emplace_back([&, i] {
            for (int k = 0; k < 1000; k++) sum += i;
            std::lock_guard lock(mutex);
            names[i] = "thread " + std::to_string(i);
        });
    for (auto &t : threads) t.join();
    std::cout << sum << ' ' << names.size() << ' ' << names[5] << '\n';
    auto later = std::async(std::launch::async, [] { return std::string("from async"); });
    std::cout << later.get() << '\n';
    std::promise<int> promise;
    std::thread fail([&] {
        try {
            throw std::logic_error("in thread");
        } catch (...) {
            promise.set_exception(std::current_exception());
        }
    });
    try {
        promise.get_future().get();
    } catch (const std::logic_error &e) {
        std::cout << "caught " << e.what() << '\n';
    }
    fail.join();
    int unwound = 0;
    try {
        thrower(30, unwound);
    } catch (const std::exception &e) {
        std::cout << e.what() << ' ' << unwound << '\n';
    }
    auto before = std::chrono::steady_clock::now();
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    auto slept = std::chrono::steady_clock::now() - before;
    std::cout << (slept >= std::chrono::milliseconds(30)) << '\n';
    std::vector<double> v(1000);
    std::iota(v.begin(), v.end(), 0.5);
    std::cout << std::setprecision(12) << std::accumulate(v.begin(), v.end(), 0.0) / 3 << std::endl;
    std::condition_variable ready;
    bool go = false;
    std::thread waiter([&] {
        std::unique_lock lock(mutex);
        ready.wait(lock, [&] { return go; });
        std::cout << "went" << std::endl;
    });
    { std::lock_guard lock(mutex); go = true; }
    ready.notify_all();
    waiter.join();
    return 0;
}
