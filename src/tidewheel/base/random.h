// Randomness, as all code outside `base` sees it.
#pragma once
#include <cstdint>

namespace tidewheel {

// A stream of random numbers. Not shared between threads: `fork` one for each owner.
// The algorithm is SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators).
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15ULL;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }
  // Uniform in [0, bound); bound > 0.
  uint64_t below(uint64_t bound) {
    __extension__ using Wide = unsigned __int128;
    return static_cast<uint64_t>((static_cast<Wide>(next()) * bound) >> 64);
  }
  // True with the given probability, in [0, 1].
  bool chance(double probability) {
    return static_cast<double>(next() >> 11) * 0x1.0p-53 < probability;
  }
  // An independent stream.
  Random fork() { return Random(next()); }

 private:
  uint64_t state_;
};

}  // namespace tidewheel
