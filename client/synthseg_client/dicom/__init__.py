"""DICOM in and out: series to scans, and segmentations and measurements back onto them."""
