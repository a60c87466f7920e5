"""Patients, visits, orders, procedures, stations."""

from worklist.models.appointment import (
    Appointment,
    AppointmentReference,
    AppointmentStatus,
    PatientArrival,
)
from worklist.models.identity_exception import IdentityException, IdentityExceptionKind
from worklist.models.master_file import HospitalLocation, StaffMember
from worklist.models.order import PRESSING, Order, OrderNumber, OrderStatus, Priority, StatusEvent
from worklist.models.patient import AssigningAuthority, FormerDescription, LinkKind, Patient, PatientLink, Sex
from worklist.models.procedure import RequestedProcedure, ScheduledProcedureStep, StepStatus
from worklist.models.station import ProcedureCode, Station
from worklist.models.visit import Visit, VisitStatus

__all__ = [
    "PRESSING",
    "Appointment",
    "AppointmentReference",
    "AppointmentStatus",
    "AssigningAuthority",
    "FormerDescription",
    "HospitalLocation",
    "IdentityException",
    "IdentityExceptionKind",
    "LinkKind",
    "Order",
    "OrderNumber",
    "OrderStatus",
    "Patient",
    "PatientArrival",
    "PatientLink",
    "Priority",
    "ProcedureCode",
    "RequestedProcedure",
    "ScheduledProcedureStep",
    "Sex",
    "StaffMember",
    "Station",
    "StatusEvent",
    "StepStatus",
    "Visit",
    "VisitStatus",
]
