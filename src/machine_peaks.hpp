// What one core of this machine can do at most, as measured.
#pragma once

namespace tenon {

struct machine_peaks {
  double operations = 0;  ///< a second: f32, a product and a sum counted apart
  double bytes = 0;       ///< a second, read and written, between memory and a core
};

/// Measured at the first call, in some 50 ms.
const machine_peaks& measured_peaks();

}  // namespace tenon
